//! The endpoints.

use cyrus_sandbox::Launcher;
use http::StatusCode;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Surroundings;
use super::body::body;
use super::limits::Limits;
use super::page::{Page, integer, parameter};
use super::problem::{Problem, shape};
use super::push::push;
use super::route::{Route, route};
use super::run::{Order, Run, Work};
use super::script::{Endpoint, Organization, Repository, Script};
use crate::clock::Calendar;
use crate::failure::Injector;
use crate::server::{Answer, RecordedRequest, Service};

const SOURCE_TYPES: [&str; 12] = [
    "LOCAL",
    "SLACK",
    "GITHUB",
    "GITHUB_CHECK_SUITE",
    "GITHUB_PR_REVIEW",
    "LINEAR",
    "API",
    "CHAT",
    "JIRA",
    "CLICKUP",
    "MONDAY",
    "SETUP_COMMANDS",
];

/// The simulated user every token belongs to.
const USER: u64 = 1;

/// The service: its script, and everything that has happened.
#[derive(Debug)]
pub(super) struct Api {
    script: Script,
    surroundings: Surroundings,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    runs: Vec<Run>,
    calendar: Calendar,
    injector: Injector<Endpoint>,
    limits: Option<Limits>,
    pull_requests: u64,
    launcher: Launcher,
}

impl Service for Api {
    async fn answer(&self, request: &RecordedRequest) -> Answer {
        let route = match route(&request.method, &request.path, self.script.logs) {
            Ok(route) => route,
            Err(problem) => return problem.answer(),
        };
        // One request at a time: what a run does next never depends on how two requests race.
        let mut state = self.state.lock().await;
        let injection = state.injector.count(route.endpoint);
        if let Some(injection) = injection.as_ref().filter(|injection| injection.without_effect()) {
            return injection.failure.spoil(Answer::Cut, shape);
        }
        let answer = match self.serve(route, request, &mut state).await {
            Ok(body) => Answer::json(StatusCode::OK, &body),
            Err(problem) => problem.answer(),
        };
        match injection {
            Some(injection) => injection.failure.spoil(answer, shape),
            None => answer,
        }
    }
}

impl Api {
    pub(super) fn new(script: Script, start: Timestamp, surroundings: Surroundings) -> Self {
        let state = State {
            runs: Vec::new(),
            calendar: Calendar::from(start),
            injector: Injector::new(script.failures.clone()),
            limits: script.rate_limits.map(|_| Limits::default()),
            pull_requests: 0,
            launcher: surroundings.launcher.clone(),
        };
        Self { script, surroundings, state: Mutex::new(state) }
    }

    pub(super) async fn runs(&self) -> Vec<Run> {
        self.state.lock().await.runs.clone()
    }

    async fn serve(
        &self,
        route: Route,
        request: &RecordedRequest,
        state: &mut State,
    ) -> Result<Value, Problem> {
        self.authenticate(request)?;
        let organization = route.organization.map(|id| self.organization(id)).transpose()?;
        self.within_limits(route.endpoint, state)?;
        let query = request.query.as_str();
        match (route.endpoint, organization) {
            (Endpoint::Me, _) => Ok(user()),
            (Endpoint::Repositories, Some(organization)) => list_repositories(&organization, query),
            (Endpoint::ListRuns, Some(organization)) => list_runs(&organization, query, state),
            (Endpoint::CreateRun, Some(organization)) => {
                self.create(&organization, request, state).await
            }
            (Endpoint::ResumeRun, Some(organization)) => {
                self.resume(&organization, request, state).await
            }
            (Endpoint::GetRun, Some(organization)) => {
                self.poll(&organization, route.run, state).await
            }
            (Endpoint::Logs, Some(organization)) => logs(&organization, route.run, query, state),
            (Endpoint::BanRun | Endpoint::RemoveFromPr, Some(organization)) => {
                let run = body(request)?.integer("agent_run_id")?;
                state.run(&organization, Some(run))?.stop();
                Ok(json!({"success": true}))
            }
            (Endpoint::UnbanRun, Some(organization)) => {
                let run = body(request)?.integer("agent_run_id")?;
                state.run(&organization, Some(run))?;
                Ok(json!({"success": true}))
            }
            (Endpoint::Organizations, _) | (_, None) => self.list_organizations(query),
        }
    }

    fn authenticate(&self, request: &RecordedRequest) -> Result<(), Problem> {
        let given =
            request.headers.get(AUTHORIZATION).ok_or(Problem::Unauthorized("Not authenticated"))?;
        let token =
            given.to_str().ok().and_then(|given| given.strip_prefix("Bearer ")).map(str::trim);
        match (token, &self.script.token) {
            (None | Some(""), _) => Err(Problem::Unauthorized("Invalid authorization header")),
            (Some(token), Some(expected)) if token != expected => {
                Err(Problem::Unauthorized("Invalid token"))
            }
            (Some(_), _) => Ok(()),
        }
    }

    fn organization(&self, id: u64) -> Result<Organization, Problem> {
        if self.script.organizations.is_empty() {
            return Ok(any_organization(id));
        }
        self.script
            .organizations
            .iter()
            .find(|known| known.id == id)
            .cloned()
            .ok_or(Problem::Forbidden)
    }

    fn within_limits(&self, endpoint: Endpoint, state: &mut State) -> Result<(), Problem> {
        let (Some(limits), Some(settings)) = (&mut state.limits, self.script.rate_limits) else {
            return Ok(());
        };
        limits.take(endpoint, self.surroundings.clock.elapsed()).map_err(|wait| {
            // Rounded up: a client that waits as told is let through.
            Problem::RateLimited(
                settings.retry_after.then(|| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            )
        })
    }

    fn list_organizations(&self, query: &str) -> Result<Value, Problem> {
        let all = match self.script.organizations.as_slice() {
            [] => vec![any_organization(1)],
            all => all.to_vec(),
        };
        let shown = |organization: Organization| {
            let settings = json!({"enable_pr_creation": true, "enable_rules_detection": true});
            json!({"id": organization.id, "name": organization.name, "settings": settings})
        };
        Ok(Page::parse(query)?.of(all.into_iter().map(shown).collect()))
    }

    async fn create(
        &self,
        organization: &Organization,
        request: &RecordedRequest,
        state: &mut State,
    ) -> Result<Value, Problem> {
        let body = body(request)?;
        let prompt = body.text("prompt")?;
        let repository = body.optional_integer("repo_id")?;
        let metadata = body.optional_object("metadata")?;
        body.one_of("agent_type", &["codegen", "claude_code"])?;
        let known = |wanted: &u64| {
            organization.repositories.iter().any(|repository| repository.id == *wanted)
        };
        let first = organization.repositories.first().ok_or(Problem::NoRepositories)?;
        let repository = match repository {
            Some(wanted) if !known(&wanted) => return Err(Problem::NoRepositories),
            Some(wanted) => wanted,
            None => first.id,
        };
        let created = state.runs.len() as u64;
        if self.script.runs_allowed.is_some_and(|allowed| created >= allowed) {
            return Err(Problem::RunsUsedUp);
        }
        let order = Order {
            id: self.script.first_run_id + created,
            organization: organization.id,
            repository,
            prompt,
            metadata,
        };
        let script = self
            .script
            .runs
            .iter()
            .find(|run| run.when.as_ref().is_none_or(|text| order.prompt.contains(text)));
        let mut run = Run::new(order, script.cloned().unwrap_or_default(), &mut state.calendar);
        let work = run.enter(&mut state.calendar);
        state.runs.push(run);
        let index = state.runs.len() - 1;
        state.carry_out(organization, index, work).await
    }

    async fn resume(
        &self,
        organization: &Organization,
        request: &RecordedRequest,
        state: &mut State,
    ) -> Result<Value, Problem> {
        let body = body(request)?;
        let id = body.integer("agent_run_id")?;
        let prompt = body.text("prompt")?;
        let index = state.index(organization, Some(id))?;
        let work = state.runs[index].resume(prompt, &mut state.calendar);
        state.carry_out(organization, index, work).await
    }

    async fn poll(
        &self,
        organization: &Organization,
        id: Option<u64>,
        state: &mut State,
    ) -> Result<Value, Problem> {
        let index = state.index(organization, id)?;
        match state.runs[index].poll(&mut state.calendar) {
            Some(work) => state.carry_out(organization, index, work).await,
            None => Ok(state.runs[index].json()),
        }
    }
}

impl State {
    fn index(&self, organization: &Organization, id: Option<u64>) -> Result<usize, Problem> {
        let wanted = |run: &Run| run.organization == organization.id && Some(run.id) == id;
        self.runs.iter().position(wanted).ok_or(Problem::NoSuchRun)
    }

    fn run(&mut self, organization: &Organization, id: Option<u64>) -> Result<&mut Run, Problem> {
        let index = self.index(organization, id)?;
        Ok(&mut self.runs[index])
    }

    /// Does what a step begins with, and answers the run.
    async fn carry_out(
        &mut self,
        organization: &Organization,
        index: usize,
        work: Work,
    ) -> Result<Value, Problem> {
        let run = &mut self.runs[index];
        let repository = organization.repositories.iter().find(|known| known.id == run.repository);
        let mut head = None;
        if let Some(mut wanted) = work.push {
            wanted.base = wanted.base.map(|base| base.replace("{start}", start(&run.prompt)));
            let remote =
                wanted.remote.as_deref().or(repository.and_then(|known| known.remote.as_deref()));
            let remote = remote.ok_or_else(|| {
                Problem::Broken(
                    "`push` names no `remote`, and neither does the run's repository".into(),
                )
            })?;
            let branch = push(&wanted, remote, run.id, &self.calendar.next(), &self.launcher).await;
            let branch = branch
                .map_err(|error| Problem::Broken(format!("the scripted push failed: {error}")))?;
            run.pushed.push(branch.clone());
            head = Some(branch);
        }
        if let Some(wanted) = work.pull_request {
            self.pull_requests += 1;
            let number = self.pull_requests;
            let placed = |text: &String| text.replace("{run_id}", &run.id.to_string());
            let full_name = repository.map_or("simulated/repository", |known| &known.full_name);
            let url = wanted
                .url
                .as_ref()
                .map_or_else(|| format!("https://github.com/{full_name}/pull/{number}"), placed);
            run.pull_requests.push(json!({
                "id": number,
                "title": wanted.title.as_ref().map(placed),
                "url": url,
                "created_at": self.calendar.next(),
                "head_branch_name": head.or(wanted.head_branch_name.as_ref().map(placed)),
            }));
        }
        Ok(run.json())
    }
}

fn any_organization(id: u64) -> Organization {
    let repository = Repository {
        id: 1,
        full_name: "simulated/repository".into(),
        remote: None,
        language: None,
    };
    Organization { id, name: "Simulated organization".into(), repositories: vec![repository] }
}

fn user() -> Value {
    json!({
        "id": USER,
        "email": "developer@example.invalid",
        "github_user_id": "1",
        "github_username": "developer",
        "avatar_url": null,
        "full_name": "Simulated developer",
        "role": "MEMBER",
        "is_admin": false,
    })
}

fn list_repositories(organization: &Organization, query: &str) -> Result<Value, Problem> {
    let shown = |repository: &Repository| {
        let name = repository.full_name.rsplit('/').next().unwrap_or_default();
        json!({
            "id": repository.id,
            "name": name,
            "full_name": repository.full_name,
            "description": null,
            "github_id": repository.id.to_string(),
            "organization_id": organization.id,
            "visibility": "private",
            "archived": false,
            "setup_status": "COMPLETED",
            "language": repository.language,
        })
    };
    Ok(Page::parse(query)?.of(organization.repositories.iter().map(shown).collect()))
}

fn list_runs(organization: &Organization, query: &str, state: &State) -> Result<Value, Problem> {
    let page = Page::parse(query)?;
    let source = parameter(query, "source_type");
    if source.as_deref().is_some_and(|source| !SOURCE_TYPES.contains(&source)) {
        return Err(Problem::unprocessable(
            ["query", "source_type"],
            "Input should be a known source type",
            "enum",
        ));
    }
    let of_user = integer(query, "user_id")?.is_none_or(|user| u64::try_from(user) == Ok(USER));
    let wanted = of_user && source.is_none_or(|source| source == "API");
    let runs = state.runs.iter().rev().filter(|run| wanted && run.organization == organization.id);
    Ok(page.of(runs.map(Run::json).collect()))
}

fn logs(
    organization: &Organization,
    id: Option<u64>,
    query: &str,
    state: &State,
) -> Result<Value, Problem> {
    let page = Page::parse(query)?;
    let reverse = parameter(query, "reverse")
        .is_some_and(|value| matches!(value.as_str(), "true" | "True" | "1"));
    let run = &state.runs[state.index(organization, id)?];
    let mut entries = run.logs.clone();
    if reverse {
        entries.reverse();
    }
    let total = entries.len();
    let (number, pages) = page.numbers(total);
    let mut answer = run.json_for_logs();
    answer.insert("logs".into(), page.cut(entries).into());
    answer.insert("total_logs".into(), total.into());
    answer.insert("page".into(), number.into());
    answer.insert("size".into(), page.size().into());
    answer.insert("pages".into(), pages.into());
    Ok(Value::Object(answer))
}

/// The branch that a prompt says to start from; the remote's default when it says nothing of it.
fn start(prompt: &str) -> &str {
    let said = prompt.split_once("Start from branch `").and_then(|(_, rest)| rest.split_once('`'));
    said.map_or("HEAD", |(branch, _)| branch)
}
