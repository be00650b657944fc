//! How much of what is drawn is tried.

/// Whether all of it is: what takes some thirty times as long where nothing is optimised. It is in a release build, and
/// where `CYRUS_TEST_WHOLE` is set, for builds that are optimised and keep their assertions.
pub(crate) fn whole() -> bool {
    !cfg!(debug_assertions) || std::env::var_os("CYRUS_TEST_WHOLE").is_some()
}
