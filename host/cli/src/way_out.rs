//! What sandboxed programs reach of the network: hosts by rule, through the egress proxy.

use cyrus_config::NetworkAccess;
use cyrus_egress::{Access, Limits, Proxy, Rules, SystemResolver, Verdict, forward};
use cyrus_executor::Line;
use cyrus_plugin::HostPattern;
use cyrus_sandbox::WayOut;
use std::{
    collections::BTreeSet,
    fmt,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

/// A proxy, and loopback ports of this machine.
pub(crate) struct ByRule {
    proxy: Proxy,
    rules: Rules,
    ports: BTreeSet<u16>,
    /// The key of the configuration that lists the hosts.
    key: Arc<str>,
    refused: Arc<Mutex<Refused>>,
}

/// What programs were refused, or did not reach.
#[derive(Debug, Default)]
struct Refused {
    /// All, so that each is said once.
    known: BTreeSet<String>,
    /// Those since they were asked for last, so that each failure has its own.
    new: BTreeSet<String>,
}

/// How many destinations are remembered.
const REMEMBERED: usize = 100;

impl ByRule {
    /// Reaches these hosts. Of those that are loopback addresses with a port, programs find the port on a loopback
    /// interface of their own.
    /// Where the registries are among them, so are those that the operator's own tools go by. `key` is the
    /// configuration key that lists them; refusals name it.
    pub(crate) fn hosts(
        hosts: &[HostPattern],
        own: &BTreeSet<String>,
        key: &str,
    ) -> Arc<dyn WayOut> {
        let has_registries = hosts.iter().any(HostPattern::is_registries);
        let own = if has_registries { parsed(own) } else { Vec::new() };
        Self::with(Rules::default(), hosts.iter().chain(&own), key)
    }

    /// What a set-up or a check may reach. The registries that the operator's own tools go by are registries, too.
    pub(crate) fn access(
        access: &NetworkAccess,
        own: &BTreeSet<String>,
        key: &str,
    ) -> Arc<dyn WayOut> {
        if !access.registries {
            return Self::with(Rules::default(), &access.hosts, key);
        }
        Self::with(Rules::registries(), access.hosts.iter().chain(&parsed(own)), key)
    }

    fn with<'a>(
        rules: Rules,
        hosts: impl IntoIterator<Item = &'a HostPattern>,
        key: &str,
    ) -> Arc<dyn WayOut> {
        let hosts: Vec<_> = hosts.into_iter().cloned().collect();
        let loopback =
            hosts.iter().filter(|host| host.address().is_some_and(|at| at.is_loopback()));
        let ports = loopback.map(HostPattern::port).collect();
        let rules = rules.and(Rules::new(hosts));
        let proxy = Proxy::new(rules.clone(), Arc::new(SystemResolver), Limits::default());
        Arc::new(Self { proxy, rules, ports, key: key.into(), refused: Arc::default() })
    }
}

impl WayOut for ByRule {
    fn loopback_ports(&self) -> Vec<u16> {
        self.ports.iter().copied().collect()
    }

    fn serve(
        &self,
        listener: TcpListener,
        port: Option<u16>,
        client: &str,
    ) -> Box<dyn Send + Sync> {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, client, "the program has no way out");
                return Box::new(());
            }
        };
        if let Some(port) = port {
            return Box::new(forward(listener, port, &Limits::default()));
        }
        let (refused, key) = (Arc::clone(&self.refused), Arc::clone(&self.key));
        Box::new(self.proxy.serve(listener, client, move |access| record(&access, &refused, &key)))
    }

    fn refusals(&self) -> Vec<String> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut refused.new).into_iter().collect()
    }
}

fn parsed(hosts: &BTreeSet<String>) -> Vec<HostPattern> {
    hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

/// A line in the log for each connection. What the program named is text from outside.
fn record(access: &Access, refused: &Mutex<Refused>, key: &str) {
    let Access { client, destination, verdict, sent, received, .. } = access;
    tracing::info!(%client, ?destination, verdict = ?verdict.to_string(), sent, received, "connection of a program");
    let Some(destination) = destination else { return };
    let (why, is_refused) = match verdict {
        Verdict::Refused(why) => (why, true),
        Verdict::Failed(why) => (why, false),
        _ => return,
    };
    let line = format!("{}: {}", Line::new(destination), Line::new(why));
    let line = if is_refused {
        format!("{line}; {key} in config.json lists what it reaches")
    } else {
        line
    };
    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
    // A host that cannot be reached is in the output of a program that fails, and is no warning.
    if is_refused && refused.known.len() < REMEMBERED && refused.known.insert(line.clone()) {
        tracing::warn!("{} was refused {line}", Line::new(client));
    }
    if refused.new.len() < REMEMBERED {
        refused.new.insert(line);
    }
}

impl fmt::Debug for ByRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByRule")
            .field("rules", &self.rules)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_refusal_is_listed_once_for_each_failure() {
        let refused = Mutex::new(Refused::default());
        let access = |verdict| Access {
            client: "check\u{1b}[31m".to_owned(),
            destination: Some("https://a.example".to_owned()),
            verdict,
            sent: 0,
            received: 0,
            lasted: Duration::ZERO,
        };
        let lines = || std::mem::take(&mut refused.lock().unwrap().new);
        let record = |verdict| record(&access(verdict), &refused, "network.checks");
        record(Verdict::Connected);
        assert!(lines().is_empty());
        for _ in 0..2 {
            record(Verdict::Refused("no rule".to_owned()));
            record(Verdict::Refused("no rule".to_owned()));
            let line =
                "https://a.example: no rule; network.checks in config.json lists what it reaches";
            assert_eq!(lines().into_iter().collect::<Vec<_>>(), [line]);
            record(Verdict::Failed("it has no address".to_owned()));
            let line = "https://a.example: it has no address";
            assert_eq!(lines().into_iter().collect::<Vec<_>>(), [line]);
        }
    }
}
