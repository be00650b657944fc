//! From method and path to an endpoint, as the service's router does it.

use http::Method;

use super::problem::Problem;
use super::script::{Endpoint, LogsPath};

/// What is asked for, with its path parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    /// Absent for the endpoints above organisations.
    pub(super) organization: Option<u64>,
    /// Present where the path names a run.
    pub(super) run: Option<u64>,
}

/// Finds the endpoint. `logs` says where logs are served.
pub(super) fn route(method: &Method, path: &str, logs: LogsPath) -> Result<Route, Problem> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (alpha, segments) = match segments.as_slice() {
        ["v1", "alpha", rest @ ..] => (true, rest),
        ["v1", rest @ ..] => (false, rest),
        _ => return Err(Problem::NoSuchPath),
    };
    let logs_here = match logs {
        LogsPath::Alpha => alpha,
        LogsPath::Plain => !alpha,
        LogsPath::Both => true,
        LogsPath::None => false,
    };
    let (wanted, endpoint, organization, run) = match segments {
        ["organizations", org, "agent", "run", run, "logs"] if logs_here => {
            (Method::GET, Endpoint::Logs, Some(org), Some(run))
        }
        _ if alpha => return Err(Problem::NoSuchPath),
        ["organizations"] => (Method::GET, Endpoint::Organizations, None, None),
        ["users", "me"] => (Method::GET, Endpoint::Me, None, None),
        ["organizations", org, "repos"] => (Method::GET, Endpoint::Repositories, Some(org), None),
        ["organizations", org, "agent", "runs"] => {
            (Method::GET, Endpoint::ListRuns, Some(org), None)
        }
        ["organizations", org, "agent", "run"] => {
            (Method::POST, Endpoint::CreateRun, Some(org), None)
        }
        ["organizations", org, "agent", "run", run] => match (method == Method::POST, *run) {
            (true, "resume") => (Method::POST, Endpoint::ResumeRun, Some(org), None),
            (true, "ban") => (Method::POST, Endpoint::BanRun, Some(org), None),
            (true, "unban") => (Method::POST, Endpoint::UnbanRun, Some(org), None),
            (true, "remove-from-pr") => (Method::POST, Endpoint::RemoveFromPr, Some(org), None),
            _ => (Method::GET, Endpoint::GetRun, Some(org), Some(run)),
        },
        _ => return Err(Problem::NoSuchPath),
    };
    if *method != wanted {
        return Err(Problem::WrongMethod);
    }
    let organization = organization.map(|text| integer("org_id", text)).transpose()?;
    let run = run.map(|text| integer("agent_run_id", text)).transpose()?;
    Ok(Route { endpoint, organization, run })
}

fn integer(name: &'static str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::unprocessable(
            ["path", name],
            "Input should be a valid integer, unable to parse string as an integer",
            "int_parsing",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(method: &Method, path: &str) -> Option<Endpoint> {
        route(method, path, LogsPath::Alpha).ok().map(|route| route.endpoint)
    }

    #[test]
    fn every_endpoint_has_its_path() {
        let get = |path| endpoint(&Method::GET, path);
        let post = |path| endpoint(&Method::POST, path);
        assert_eq!(post("/v1/organizations/7/agent/run"), Some(Endpoint::CreateRun));
        assert_eq!(get("/v1/organizations/7/agent/run/4242"), Some(Endpoint::GetRun));
        assert_eq!(get("/v1/organizations/7/agent/runs"), Some(Endpoint::ListRuns));
        assert_eq!(post("/v1/organizations/7/agent/run/resume"), Some(Endpoint::ResumeRun));
        assert_eq!(post("/v1/organizations/7/agent/run/ban"), Some(Endpoint::BanRun));
        assert_eq!(post("/v1/organizations/7/agent/run/unban"), Some(Endpoint::UnbanRun));
        assert_eq!(
            post("/v1/organizations/7/agent/run/remove-from-pr"),
            Some(Endpoint::RemoveFromPr)
        );
        assert_eq!(get("/v1/alpha/organizations/7/agent/run/1/logs"), Some(Endpoint::Logs));
        assert_eq!(get("/v1/organizations"), Some(Endpoint::Organizations));
        assert_eq!(get("/v1/users/me"), Some(Endpoint::Me));
        assert_eq!(get("/v1/organizations/7/repos"), Some(Endpoint::Repositories));
    }

    #[test]
    fn other_paths_methods_and_ids_are_told_apart() {
        let problem = |method: Method, path| route(&method, path, LogsPath::Alpha).unwrap_err();
        assert_eq!(problem(Method::GET, "/v2/organizations"), Problem::NoSuchPath);
        assert_eq!(problem(Method::GET, "/v1/alpha/organizations"), Problem::NoSuchPath);
        assert_eq!(
            problem(Method::GET, "/v1/organizations/7/agent/run/1/logs"),
            Problem::NoSuchPath
        );
        assert_eq!(
            problem(Method::DELETE, "/v1/organizations/7/agent/run/1"),
            Problem::WrongMethod
        );
        assert!(matches!(
            problem(Method::GET, "/v1/organizations/x/repos"),
            Problem::Unprocessable { .. }
        ));
        assert!(matches!(
            problem(Method::GET, "/v1/organizations/7/agent/run/ban"),
            Problem::Unprocessable { .. }
        ));
    }

    #[test]
    fn logs_are_where_the_script_says() {
        let found = |logs, path| route(&Method::GET, path, logs).is_ok();
        let (alpha, plain) =
            ("/v1/alpha/organizations/7/agent/run/1/logs", "/v1/organizations/7/agent/run/1/logs");
        let table = [
            (LogsPath::Alpha, true, false),
            (LogsPath::Plain, false, true),
            (LogsPath::Both, true, true),
            (LogsPath::None, false, false),
        ];
        for (logs, on_alpha, on_plain) in table {
            assert_eq!((found(logs, alpha), found(logs, plain)), (on_alpha, on_plain), "{logs:?}");
        }
    }
}
