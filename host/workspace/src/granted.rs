//! A fetch from a host that only policy vouches for: through the egress proxy, which checks the resolved address,
//! counts bytes and reaches this one host; over https, without redirects, and with nothing of the user's unless the
//! grant says so.

use crate::environment::GitEnvironment;
use cyrus_core::WorkspaceError;
use cyrus_egress::{Limits, Proxy, Rules, Serving, SystemResolver, Verdict};
use cyrus_sandbox::{AbsolutePath, WayOut};
use std::{
    fmt,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;

/// The most that is received of one connection; of several, git makes at most a few.
const RECEIVED: u64 = 2 << 30;

/// The most that git says: negotiation sends what is known already.
const SENT: u64 = 64 << 20;

/// Connections at once.
const CONNECTIONS: usize = 4;

/// How long the host may send nothing.
const SILENCE: Duration = Duration::from_mins(2);

/// Settings over whatever the user configured: where connections go, and what they may ask for.
const SETTINGS: [(&str, &str); 9] = [
    ("http.followRedirects", "false"),
    ("http.sslVerify", "true"),
    ("http.cookieFile", ""),
    ("http.saveCookies", "false"),
    ("http.emptyAuth", "false"),
    ("http.delegation", "none"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("core.askPass", ""),
];

/// Variables by which a granted host is trusted and credentials are found, where the grant says so.
const CREDENTIAL_VARIABLES: [&str; 4] =
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"];

/// A way to one host, for as long as this lives.
pub(crate) struct GrantedWay {
    serving: Serving,
    out: Arc<GrantedOut>,
}

/// The proxy to one host, and what it refused or cut. It is the way out of a git in a sandbox, too.
pub(crate) struct GrantedOut {
    proxy: Proxy,
    problem: Arc<Mutex<Option<String>>>,
}

impl GrantedOut {
    fn listen(&self, listener: TcpListener) -> Serving {
        let noticed = Arc::clone(&self.problem);
        self.proxy.serve(listener, "git", move |access: cyrus_egress::Access| {
            if access.verdict != Verdict::Connected {
                let mut noticed = noticed.lock().unwrap_or_else(PoisonError::into_inner);
                *noticed = Some(access.verdict.to_string());
            }
        })
    }
}

impl WayOut for GrantedOut {
    fn loopback_ports(&self) -> Vec<u16> {
        Vec::new()
    }

    fn serve(
        &self,
        listener: std::net::TcpListener,
        _: Option<u16>,
        client: &str,
    ) -> Box<dyn Send + Sync> {
        match TcpListener::from_std(listener) {
            Ok(listener) => Box::new(self.listen(listener)),
            Err(error) => {
                tracing::error!(%error, client, "git has no way out");
                Box::new(())
            }
        }
    }
}

impl fmt::Debug for GrantedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedOut").field("problem", &self.problem).finish_non_exhaustive()
    }
}

impl GrantedWay {
    /// Opens the way to what these rules permit.
    pub(crate) async fn open(rules: Rules, time: Duration) -> Result<Self, WorkspaceError> {
        let failed = |error: std::io::Error| WorkspaceError::Io {
            what: "cannot serve the proxy that git fetches through".to_owned(),
            cause: error.to_string(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let limits = Limits {
            connections: CONNECTIONS,
            sent: SENT,
            received: RECEIVED,
            idle: SILENCE,
            total: time,
            ..Limits::default()
        };
        let proxy = Proxy::new(rules, Arc::new(SystemResolver), limits);
        let out = Arc::new(GrantedOut { proxy, problem: Arc::default() });
        Ok(Self { serving: out.listen(listener), out })
    }

    /// The way out of a sandbox to what the rules permit.
    pub(crate) fn out(&self) -> Arc<dyn WayOut> {
        Arc::clone(&self.out) as _
    }

    /// The settings of a fetch this way, outside of a sandbox: there, variables name the proxy. `connection` is the
    /// user's own; of it counts what identifies the user, and only with `credentials`.
    pub(crate) fn settings(
        &self,
        connection: &[(String, String)],
        credentials: bool,
    ) -> Result<Vec<(String, String)>, WorkspaceError> {
        let address = self.serving.local_addr().map_err(|error| WorkspaceError::Io {
            what: "cannot find the proxy that git fetches through".to_owned(),
            cause: error.to_string(),
        })?;
        let own = connection.iter().filter(|(key, _)| credentials && identifies(key)).cloned();
        let fixed = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let proxy = ("http.proxy".to_owned(), format!("http://{address}"));
        // An empty helper forgets those before it.
        let none = ("credential.helper".to_owned(), String::new());
        Ok([none].into_iter().chain(own).chain(fixed).chain([proxy]).collect())
    }

    /// What the proxy refused or cut, for the message.
    pub(crate) fn problem(&self) -> Option<String> {
        self.out.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What git has of the user's surroundings on this way. Without credentials that is no home either: `.netrc` is
/// read from there.
pub(crate) fn environment(
    user: &GitEnvironment,
    empty: &Path,
    credentials: bool,
) -> GitEnvironment {
    let variables = user
        .network
        .iter()
        .filter(|(name, _)| credentials && CREDENTIAL_VARIABLES.iter().any(|known| name == *known));
    GitEnvironment {
        config_home: None,
        path: user.path.clone(),
        home: if credentials { user.home.clone() } else { AbsolutePath::parse(empty).ok() },
        network: variables.cloned().collect(),
        ..GitEnvironment::default()
    }
}

/// Whether a setting says who the user is or whom they trust. None that says where connections go is among them.
fn identifies(key: &str) -> bool {
    const HTTP: [&str; 6] =
        ["sslcert", "sslkey", "sslcertpasswordprotected", "sslcainfo", "sslcapath", "extraheader"];
    let last = key.rsplit('.').next().unwrap_or_default();
    key.starts_with("credential.") || key.starts_with("http.") && HTTP.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Vec<(String, String)> {
        [
            ("credential.helper", "store"),
            ("credential.https://h.helper", "!steal"),
            ("http.https://h/.extraheader", "Authorization: x"),
            ("http.proxy", "http://elsewhere"),
            ("http.https://h/.proxy", "http://elsewhere"),
            ("http.https://h/.followredirects", "true"),
            ("http.sslverify", "false"),
            ("http.cookiefile", "/c"),
            ("url.ssh://git@elsewhere/.insteadof", "https://h/"),
            ("core.sshcommand", "ssh -i k"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    #[tokio::test]
    async fn nothing_of_the_users_is_used_without_a_grant_of_it() {
        let way = GrantedWay::open(Rules::default(), Duration::from_mins(1)).await.unwrap();
        let keys = |credentials| {
            let all = way.settings(&user(), credentials).unwrap();
            let fixed =
                |key: &str| SETTINGS.iter().any(|(own, _)| *own == key) || key == "http.proxy";
            all.into_iter().map(|(key, _)| key).filter(|key| !fixed(key)).collect::<Vec<_>>()
        };
        assert_eq!(keys(false), ["credential.helper"]);
        let with = [
            "credential.helper",
            "credential.helper",
            "credential.https://h.helper",
            "http.https://h/.extraheader",
        ];
        assert_eq!(keys(true), with, "nothing that leads elsewhere");
        let all = way.settings(&user(), true).unwrap();
        let proxy = all.last().unwrap();
        assert!(proxy.0 == "http.proxy" && proxy.1.starts_with("http://127.0.0.1:"), "{proxy:?}");
    }

    #[test]
    fn the_users_surroundings_stay_theirs() {
        let user = GitEnvironment {
            path: "/bin".into(),
            home: AbsolutePath::parse("/home/me").ok(),
            network: ["SSH_AUTH_SOCK", "HTTPS_PROXY", "NO_PROXY", "GIT_SSL_CAINFO"]
                .map(|name| (name.into(), "x".into()))
                .into(),
            ..GitEnvironment::default()
        };
        let without = environment(&user, Path::new("/scratch"), false);
        assert!(without.network.is_empty() && without.home == AbsolutePath::parse("/scratch").ok());
        let with = environment(&user, Path::new("/scratch"), true);
        assert_eq!(with.network, [("GIT_SSL_CAINFO".into(), "x".into())]);
        assert_eq!(with.home, user.home);
    }
}
