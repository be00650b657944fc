use crate::{Config, executor::expand_file, reader::At};
use cyrus_plugin::SecretRef;
use std::path::Path;
use url::Url;

/// The address of the database. The text is never repeated: there may be a password in it.
pub(crate) fn url(at: &At<'_>, home: Option<&Path>) -> Option<SecretRef> {
    at.object()?;
    let at = at.get("url");
    if at.is_text() {
        let text = at.text()?;
        let url = Url::parse(text).ok();
        let is_good = url.is_some_and(|url| {
            matches!(url.scheme(), "postgres" | "postgresql") && !url.cannot_be_a_base()
        });
        if !is_good {
            at.wrong(
                "has to be the address of a PostgreSQL database, such as postgres://user@host/name",
            );
        }
        return is_good.then(|| SecretRef::Value(text.to_owned()));
    }
    let mut secret = at.read();
    if let Some(secret) = &mut secret {
        expand_file(secret, home);
    }
    secret
}

impl Config {
    /// Where the address of the database is that sessions are kept in, `postgres://…`; `None` is the file in Cyrus's
    /// home. There may be a password in it, so it is a secret: what was written in the clear was
    /// checked, and what is elsewhere is not yet known.
    pub fn store_url(&self) -> Option<&SecretRef> {
        self.store_url.as_ref()
    }
}
