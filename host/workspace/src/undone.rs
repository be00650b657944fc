//! What a result takes back of what was committed before its work began: an executor that goes behind the commit that it
//! started from (`git reset --hard`) has the files there as they were.

use crate::{object::ObjectId, repository::Main, scratch::Scratch, unseen::some};
use cyrus_core::WorkspaceError;
use std::collections::BTreeSet;

/// What is to be said of it. `own` is the `HEAD` of the executor's clone, which does not come from `start`; the result is
/// in the main repository.
pub(crate) async fn note(
    scratch: &Scratch,
    main: &Main,
    (start, own): (&ObjectId, &ObjectId),
    result: &ObjectId,
) -> Result<Option<String>, WorkspaceError> {
    let call = scratch.call(&["merge-base", start.as_str(), own.as_str()]);
    let found = scratch.git().maybe(call).await?;
    let Some(before) = found.as_deref().and_then(ObjectId::parse) else { return Ok(None) };
    let since = main.changes(&before, start, &[]).await?;
    let changed = main.changes(&before, result, &[]).await?;
    let changed: BTreeSet<_> = changed.iter().map(|change| &change.path).collect();
    let gone = since.iter().filter(|change| !changed.contains(&change.path));
    let gone: Vec<_> =
        gone.map(|change| String::from_utf8_lossy(&change.path).into_owned()).collect();
    Ok((!gone.is_empty()).then(|| {
        format!(
            "the executor went back to {before}, before the commit that it started from, and the result takes back what was done since to {}",
            some(&gone)
        )
    }))
}
