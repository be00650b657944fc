//! Where a result that an executor pushed is fetched from.

use crate::remote::{Transport, local_path, without_credentials};

/// Where a pushed branch is fetched from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) transport: Transport,
    pub(crate) is_origin: bool,
}

impl Place {
    /// The origin, unless the executor says otherwise. A directory of this machine is only taken when it is the
    /// origin: an executor could have any repository of the user's read.
    pub(crate) fn choose(claimed: Option<&str>, origin: Option<&str>) -> Result<Self, String> {
        let claimed = claimed.or(origin).ok_or(
            "the executor pushed a branch, but the repository has no `origin` to fetch it from: add one with `git remote add origin ADDRESS`",
        )?;
        let own = origin.filter(|origin| is_same_place(claimed, origin));
        let address = own.unwrap_or(claimed);
        let transport = Transport::of(address).map_err(|why| format!("cannot fetch: {why}"))?;
        if transport == Transport::Local && own.is_none() {
            return Err(format!(
                "the executor says that its branch is in {address}, which is a directory of this machine and not the repository's `origin`"
            ));
        }
        Ok(Self { address: address.to_owned(), transport, is_origin: own.is_some() })
    }
}

/// Whether an address that an executor names is the origin, of which it knows no credentials.
fn is_same_place(claimed: &str, origin: &str) -> bool {
    let real = |address: &str| local_path(address).canonicalize().ok();
    claimed == origin
        || claimed == without_credentials(origin)
        || real(claimed).is_some_and(|claimed| Some(claimed) == real(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_fetched_from_the_origin_or_from_where_nothing_local_is_read() {
        let (https, local, token) = ("https://h/a", "/srv/a.git", "https://t0ken@h/a");
        for (claimed, origin, expected) in [
            (None, Some(https), Some((https, true))),
            (None, Some(local), Some((local, true))),
            (Some(https), None, Some((https, false))),
            (Some(https), Some(local), Some((https, false))),
            (Some(https), Some(https), Some((https, true))),
            (Some(https), Some(token), Some((token, true))),
            (Some("https://elsewhere/a"), Some(token), Some(("https://elsewhere/a", false))),
            (Some(local), Some(local), Some((local, true))),
            (None, None, None),
            (Some("/home/me/secret"), Some(https), None),
            (Some("/home/me/secret"), Some(local), None),
            (Some("file:///home/me/secret"), Some(local), None),
            (Some("ext::sh -c id"), Some(https), None),
            (Some("--upload-pack=id"), Some(https), None),
        ] {
            let place = Place::choose(claimed, origin).ok();
            let found = place.as_ref().map(|place| (place.address.as_str(), place.is_origin));
            assert_eq!(found, expected, "{claimed:?} {origin:?}");
        }
    }
}
