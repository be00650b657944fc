//! Where a result that an executor pushed is fetched from: the repository's own `origin`, or a remote that policy
//! grants. There is no third: an address that only an executor names cannot be written down here.

use crate::remote::Transport;
use cyrus_core::WorkspaceError;
use cyrus_egress::Rules;
use cyrus_executor::GrantedRemote;
use cyrus_plugin::{Destination, Scheme};
use url::Url;

/// Where a pushed branch is fetched from.
#[derive(Debug)]
pub(crate) enum Place {
    /// `origin`, with the user's own connection settings.
    Origin { address: String, transport: Transport },
    /// A remote of another host, through the egress proxy, which reaches that host and no other.
    Granted { address: String, rules: Rules, credentials: bool },
}

impl Place {
    /// The repository's `origin`.
    pub(crate) fn origin(address: Option<String>) -> Result<Self, WorkspaceError> {
        let address = address.ok_or_else(|| {
            refused(
                "the executor pushed a branch, but the repository has no `origin` to fetch it from: add one with `git remote add origin ADDRESS`",
            )
        })?;
        let transport =
            Transport::of(&address).map_err(|why| refused(format!("cannot fetch: {why}")))?;
        Ok(Self::Origin { address, transport })
    }

    /// A remote that policy grants.
    pub(crate) fn granted(remote: &GrantedRemote) -> Result<Self, WorkspaceError> {
        let unusable = || refused(format!("{:?} is not fetched from: use https", remote.address()));
        let url = Url::parse(remote.address()).map_err(|_| unusable())?;
        let to = Destination::of(&url).filter(|to| to.scheme == Scheme::Https);
        let to = to.ok_or_else(unusable)?;
        let host = to.to_string().parse().map_err(|_| unusable())?;
        Ok(Self::Granted {
            address: url.into(),
            rules: Rules::new([host]),
            credentials: remote.with_credentials(),
        })
    }
}

fn refused(why: impl Into<String>) -> WorkspaceError {
    WorkspaceError::Unacceptable(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_fetched_from_as_it_is_configured() {
        for (address, expected) in [
            ("https://t0ken@h/a", Some(Transport::Https)),
            ("git@h:a/b", Some(Transport::Ssh)),
            ("/srv/a.git", Some(Transport::Local)),
            ("ext::sh -c id", None),
            ("--upload-pack=id", None),
        ] {
            let found = match Place::origin(Some(address.to_owned())) {
                Ok(Place::Origin { address: kept, transport }) => {
                    assert_eq!(kept, address);
                    Some(transport)
                }
                _ => None,
            };
            assert_eq!(found, expected, "{address}");
        }
        assert!(Place::origin(None).is_err());
    }

    #[test]
    fn a_granted_remote_is_one_host_over_https() {
        let place = Place::granted(&GrantedRemote::judged("https://h.example:8443/a", false));
        let Ok(Place::Granted { rules, credentials: false, .. }) = place else {
            panic!("{place:?}")
        };
        let shown: Vec<_> = rules.hosts().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["https://h.example:8443"]);
        for bad in ["http://h/a", "ssh://h/a", "git@h:a", "/srv/a", "file:///a", "https://u@h/a"] {
            assert!(Place::granted(&GrantedRemote::judged(bad, true)).is_err(), "{bad}");
        }
    }
}
