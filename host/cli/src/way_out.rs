//! What sandboxed programs reach of the network: hosts by rule, through the egress proxy.

use cyrus_config::NetworkAccess;
use cyrus_egress::{Access, Limits, Proxy, Rules, SystemResolver, forward};
use cyrus_plugin::HostPattern;
use cyrus_sandbox::WayOut;
use std::{collections::BTreeSet, fmt, net::TcpListener, sync::Arc};

/// A proxy, and loopback ports of this machine.
pub(crate) struct ByRule {
    proxy: Proxy,
    rules: Rules,
    ports: BTreeSet<u16>,
}

impl ByRule {
    /// Reaches these hosts. Of those that are loopback addresses with a port, programs find the port on a loopback
    /// interface of their own.
    pub(crate) fn hosts<'a>(hosts: impl IntoIterator<Item = &'a HostPattern>) -> Arc<dyn WayOut> {
        Self::with(Rules::default(), hosts)
    }

    /// What a set-up or a check may reach. The registries that the operator's own tools go by are registries, too.
    pub(crate) fn access(access: &NetworkAccess, own: &BTreeSet<String>) -> Arc<dyn WayOut> {
        if !access.registries {
            return Self::with(Rules::default(), &access.hosts);
        }
        let own: Vec<HostPattern> = own.iter().filter_map(|host| host.parse().ok()).collect();
        Self::with(Rules::registries(), access.hosts.iter().chain(&own))
    }

    fn with<'a>(rules: Rules, hosts: impl IntoIterator<Item = &'a HostPattern>) -> Arc<dyn WayOut> {
        let hosts: Vec<_> = hosts.into_iter().cloned().collect();
        let loopback =
            hosts.iter().filter(|host| host.address().is_some_and(|at| at.is_loopback()));
        let ports = loopback.map(HostPattern::port).collect();
        let rules = rules.and(Rules::new(hosts));
        let proxy = Proxy::new(rules.clone(), Arc::new(SystemResolver), Limits::default());
        Arc::new(Self { proxy, rules, ports })
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
        match port {
            Some(port) => Box::new(forward(listener, port, &Limits::default())),
            None => Box::new(self.proxy.serve(listener, client, |access| record(&access))),
        }
    }
}

/// A line in the log for each connection. What the program named is text from outside.
fn record(access: &Access) {
    let Access { client, destination, verdict, sent, received, .. } = access;
    tracing::info!(%client, ?destination, verdict = ?verdict.to_string(), sent, received, "connection of a program");
}

impl fmt::Debug for ByRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByRule")
            .field("rules", &self.rules)
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}
