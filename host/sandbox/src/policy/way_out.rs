//! How sandboxed programs reach hosts: through a port that their host serves.

use std::ffi::OsString;
use std::fmt;
use std::net::TcpListener;

/// Serves the ports through which sandboxed programs reach hosts.
pub trait WayOut: fmt::Debug + Send + Sync {
    /// Ports of the host's own loopback interface that programs reach under the same number.
    fn loopback_ports(&self) -> Vec<u16>;

    /// Serves one listener of a program that runs, until what is returned is dropped. `port`: one of
    /// [`WayOut::loopback_ports`]; none is the proxy's.
    fn serve(&self, listener: TcpListener, port: Option<u16>, client: &str)
    -> Box<dyn Send + Sync>;

    /// What programs were refused, or did not reach, since this was asked last, a line each. Not which of them: several may run at once.
    fn refusals(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What is not sent to the proxy.
const DIRECT: &str = "localhost,localhost.,.localhost,localhost.localdomain,ip6-localhost,ip6-loopback,\
                      127.0.0.1,127.0.0.0/8,0.0.0.0,::1,[::1]";

/// Options of the tools that download what a Java project needs.
const JAVA_TOOLS: [&str; 5] =
    ["JAVA_OPTS", "MAVEN_OPTS", "GRADLE_OPTS", "SBT_OPTS", "CLJ_JVM_OPTS"];

/// The variables by which programs find an HTTP proxy on a loopback port. Some know the small spelling only, some the
/// other; Node needs to be asked, and Java has properties of its own. The tools that download get these: what names them
/// to each Java (`JAVA_TOOL_OPTIONS`) has each say so on standard error, which tests compare.
pub(crate) fn proxy_variables(port: u16) -> Vec<(OsString, OsString)> {
    let proxy = format!("http://127.0.0.1:{port}");
    let java = format!(
        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={port} -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort={port} \
         -Dhttp.nonProxyHosts=localhost|127.*|[::1]"
    );
    let mut variables = Vec::new();
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        for name in [name.to_owned(), name.to_uppercase()] {
            variables.push((name.into(), proxy.clone().into()));
        }
    }
    for (name, value) in [("no_proxy", DIRECT), ("NO_PROXY", DIRECT), ("NODE_USE_ENV_PROXY", "1")] {
        variables.push((name.into(), value.into()));
    }
    for name in JAVA_TOOLS {
        variables.push((name.into(), java.clone().into()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_proxy_and_loopback_stays_direct() {
        let variables = proxy_variables(3128);
        let of = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.unwrap().1.to_str().unwrap().to_owned()
        };
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            assert_eq!(of(name), "http://127.0.0.1:3128");
        }
        assert_eq!(of("NO_PROXY"), of("no_proxy"));
        assert!(of("MAVEN_OPTS").contains("-Dhttps.proxyPort=3128"));
        assert!(!variables.iter().any(|(name, _)| name == "JAVA_TOOL_OPTIONS"));
    }
}
