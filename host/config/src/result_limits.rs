use crate::{RepositoryConfig, reader::At};

/// What a result may hold to be taken. Every number is at least 1; `None`: nothing is said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultLimits {
    /// Files and directories that a result adds or changes.
    pub files: Option<u32>,
    /// Mebibytes of one file.
    pub file_mib: Option<u32>,
    /// Mebibytes of all that a result adds or changes.
    pub total_mib: Option<u32>,
}

impl ResultLimits {
    /// Reads the section `resultLimits`.
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        Self {
            files: at.get("files").number(),
            file_mib: at.get("fileMib").number(),
            total_mib: at.get("totalMib").number(),
        }
    }
}

impl RepositoryConfig<'_> {
    /// What a result may hold here to be taken.
    pub fn result_limits(&self) -> ResultLimits {
        ResultLimits {
            files: self.find(|section| section.result_limits.files.as_ref()).copied(),
            file_mib: self.find(|section| section.result_limits.file_mib.as_ref()).copied(),
            total_mib: self.find(|section| section.result_limits.total_mib.as_ref()).copied(),
        }
    }
}
