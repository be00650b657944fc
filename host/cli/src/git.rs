//! What results are held to, from the configuration.

use cyrus_config::RepositoryConfig;
use cyrus_workspace::ResultLimits;

/// What a result may hold in this repository to be taken.
pub(crate) fn result_limits(configured: &RepositoryConfig<'_>) -> ResultLimits {
    let (said, usual) = (configured.result_limits(), ResultLimits::default());
    let bytes = |mib: Option<u32>| mib.map(|mib| u64::from(mib) << 20);
    ResultLimits {
        files: said.files.map_or(usual.files, u64::from),
        file_bytes: bytes(said.file_mib).unwrap_or(usual.file_bytes),
        total_bytes: bytes(said.total_mib).unwrap_or(usual.total_bytes),
    }
}
