//! Which hosts a proxy reaches.

use crate::registries::REGISTRIES;
use cyrus_plugin::{Destination, HostPattern};
use std::collections::BTreeSet;

/// The hosts that may be reached. No rule is no host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    hosts: Vec<HostPattern>,
}

impl Rules {
    /// These hosts; the public package registries where one of them is the word for these.
    pub fn new(hosts: impl IntoIterator<Item = HostPattern>) -> Self {
        let (preset, hosts): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(HostPattern::is_registries);
        let rules = Self { hosts };
        if preset.is_empty() { rules } else { rules.and(Self::registries()) }
    }

    /// The public registries that languages' package managers download from.
    pub fn registries() -> Self {
        Self { hosts: REGISTRIES.iter().filter_map(|(host, _)| host.parse().ok()).collect() }
    }

    /// These and the others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let known: BTreeSet<_> = self.hosts.iter().map(ToString::to_string).collect();
        self.hosts.extend(other.hosts.into_iter().filter(|h| !known.contains(&h.to_string())));
        self
    }

    /// The patterns, in the order in which they were given.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// Whether nothing may be reached.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Whether this destination may be reached.
    pub(crate) fn permit(&self, to: &Destination) -> bool {
        self.hosts.iter().any(|host| host.matches(to))
    }

    /// Whether this private address may be: only a rule that spells it out matches a destination by address.
    pub(crate) fn permit_address(&self, at: &Destination) -> bool {
        self.permit(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_registries_stands_for_them() {
        let rules = Rules::new(["registries", "a.example"].map(|host| host.parse().unwrap()));
        let reaches = |host: &str| {
            let to = Destination::of(&host.parse().unwrap()).unwrap();
            rules.permit(&to)
        };
        assert!(reaches("https://index.crates.io") && reaches("https://a.example"));
        assert!(!reaches("https://registries") && !reaches("https://b.example"));
    }

    fn rules(hosts: &[&str]) -> Rules {
        Rules::new(hosts.iter().map(|host| host.parse().unwrap()))
    }

    fn to(url: &str) -> Destination {
        Destination::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn no_rule_is_no_host_and_a_name_opens_no_private_address() {
        assert!(Rules::default().is_empty() && !Rules::default().permit(&to("https://a.example")));
        let rules = rules(&["a.example", "10.0.0.1", "https://b.example:8443"]);
        assert!(rules.permit(&to("https://a.example")));
        assert!(!rules.permit(&to("https://a.example:8443")));
        assert!(rules.permit(&to("https://b.example:8443")));
        assert!(!rules.permit(&to("https://b.example")));
        assert!(rules.permit_address(&to("https://10.0.0.1")));
        assert!(!rules.permit_address(&to("https://10.0.0.2")));
        assert!(!rules.permit_address(&to("https://10.0.0.1:8443")));
    }

    #[test]
    fn every_registry_is_a_host_over_tls_and_named_once() {
        let registries = Rules::registries();
        assert_eq!(registries.hosts.len(), REGISTRIES.len(), "each is a pattern");
        for host in &registries.hosts {
            assert!(host.to_string().starts_with("https://") && host.address().is_none(), "{host}");
        }
        assert_eq!(registries.clone().and(registries.clone()), registries);
        assert!(registries.permit(&to("https://static.crates.io/crates/a/a-1.crate")));
        // Publishing has a host of its own there, which the preset leaves out.
        assert!(!registries.permit(&to("https://crates.io/api/v1/crates/new")));
        assert!(!registries.permit(&to("https://upload.pypi.org/legacy/")));
    }
}
