//! What holds for the sessions of one repository, from the configuration.

use crate::app::App;
use anyhow::Result;
use cyrus_config::{
    Fallback, Planning, Publishing, RepositoryConfig, WhenOver as ConfiguredWhenOver,
};
use cyrus_executor::{ErrorKind, ExecutionError, ExecutorInfo, Placement, TaskExecutor, TaskKind};
use cyrus_orchestrator::{
    AnalysisRules, AttemptPolicy, BudgetPolicy, Candidate, CloudFallback, Deadlines, Delivery,
    Member, PlanLimits, PlanSettings, PlanningMode, Priors, RequestTemplate, Scrutiny,
    SelectionPolicy, SelectionRule, Site, ToolPolicy, WhenOver,
};
use cyrus_plugin::Purpose;
use futures::future::join_all;
use std::{path::Path, sync::Arc, time::Duration};

/// How long a command of a plan or an issue may take where nothing is said.
const ACCEPTANCE_TIMEOUT: Duration = Duration::from_mins(15);

/// Who works in this repository, and by which rules. `only` is the executor that was asked for by name: no other is
/// made ready, and it is not probed, because how it fails is for the execution to say.
pub(crate) async fn site(
    app: &App,
    repository: &Path,
    only: Option<&str>,
    purpose: Purpose,
) -> Result<Site> {
    let configured = app.repository(repository);
    let members = match only {
        Some(name) => {
            let executor = app.executor(name, repository, purpose).await?;
            vec![member(&configured, name, Ok(executor)).await]
        }
        None => members(app, &configured, repository, purpose).await,
    };
    let budget = budget(app, &configured);
    let rules = analysis_rules(&configured);
    let attempts = configured.attempts();
    let scheduling = configured.scheduling();
    Ok(Site {
        members,
        selection: selection(&configured),
        attempts: AttemptPolicy {
            most_attempts: attempts.most,
            retries: attempts.retries,
            outage: attempts.retries.min(AttemptPolicy::default().outage),
            backoff: attempts.backoff,
            rounds: attempts.rounds,
            when_over: budget.when_over,
            ..AttemptPolicy::default()
        },
        budget,
        planning: PlanSettings {
            limits: PlanLimits::default(),
            planning: match configured.planning() {
                Planning::Never => PlanningMode::Never,
                Planning::Auto => PlanningMode::Auto,
                Planning::Always => PlanningMode::Always,
            },
            rules: rules.clone(),
        },
        analysis: rules,
        deadlines: Deadlines { total: scheduling.deadline, silence: Some(scheduling.silence) },
        scrutiny: Scrutiny {
            review: configured.review().map(|review| review.executor),
            timeout: configured.check_timeout().unwrap_or(ACCEPTANCE_TIMEOUT),
        },
        delivery: {
            let Publishing { push, pull_request, share } = configured.integration();
            Delivery { push, pull_request, share }
        },
        template: template(app, repository),
    })
}

async fn members(
    app: &App,
    configured: &RepositoryConfig<'_>,
    repository: &Path,
    purpose: Purpose,
) -> Vec<Member> {
    let executors = configured.executors();
    let made = executors.iter().map(async |config| {
        let executor = app.executor(&config.name, repository, purpose).await;
        let executor = executor.map_err(|error| format!("{error:#}"));
        let ready = match executor {
            Ok(executor) => match executor.probe().await {
                Err(error) if keeps_out(&error, executor.info().placement) => {
                    Err(error.to_string())
                }
                _ => Ok(executor),
            },
            Err(why) => Err(why),
        };
        member(configured, &config.name, ready).await
    });
    join_all(made).await
}

/// Whether what a probe found is there to stay for this session. A service that does not answer now may later: that
/// is for the failure table.
fn keeps_out(error: &ExecutionError, placement: Placement) -> bool {
    let passing = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::RateLimited);
    placement == Placement::Local || !passing
}

async fn member(
    configured: &RepositoryConfig<'_>,
    name: &str,
    made: Result<Arc<dyn TaskExecutor>, String>,
) -> Member {
    let terms = configured.executor_terms(name);
    let described = match &made {
        Ok(executor) => executor.describe().await.map_err(|error| error.to_string()),
        Err(why) => Err(why.clone()),
    };
    let (info, executor) = match made {
        Ok(executor) => (executor.info().clone(), Some(executor)),
        Err(_) => (unmade(name), None),
    };
    let kinds = terms
        .kinds
        .map(|kinds| kinds.iter().map(|kind| kind.as_str().to_owned()).collect())
        .or_else(|| described.as_ref().ok().map(|said| said.kinds.clone()))
        .unwrap_or_default();
    let candidate = Candidate {
        isolated: info.placement == Placement::Cloud,
        info,
        kinds,
        billing: terms.billing,
        price: terms.expected,
        max_per_day: terms.max_per_day,
        ready: described.map(drop),
    };
    Member { candidate, executor }
}

/// What is known of an executor that could not be made.
fn unmade(name: &str) -> ExecutorInfo {
    ExecutorInfo {
        name: name.to_owned(),
        placement: Placement::Local,
        plugin: name.to_owned(),
        version: String::new(),
        digest: String::new(),
    }
}

fn budget(app: &App, configured: &RepositoryConfig<'_>) -> BudgetPolicy {
    let said = configured.budget();
    BudgetPolicy {
        caps: said.caps,
        zone: app.config().time_zone(),
        when_over: match said.when_over {
            ConfiguredWhenOver::Pause => WhenOver::Pause,
            ConfiguredWhenOver::Cheaper => WhenOver::Cheaper,
        },
    }
}

fn selection(configured: &RepositoryConfig<'_>) -> SelectionPolicy {
    let said = configured.selection();
    SelectionPolicy {
        strategy: said.strategy,
        rules: said
            .rules
            .into_iter()
            .map(|rule| SelectionRule {
                number: rule.number,
                kinds: rule.kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
                labels: rule.labels,
                // The configuration has left out the rules for other repositories.
                repositories: Vec::new(),
                complexity: rule.complexity,
                executors: rule.executors,
            })
            .collect(),
        fallback: match said.fallback {
            Fallback::Local => CloudFallback::Local,
            Fallback::None => CloudFallback::None,
        },
        local_to_cloud: said.local_to_cloud,
        repository: configured.name().unwrap_or_default().to_owned(),
        labels: Vec::new(),
        priors: Priors::default(),
    }
}

fn analysis_rules(configured: &RepositoryConfig<'_>) -> AnalysisRules {
    let labels = configured.label_rules().into_iter();
    AnalysisRules::with_label_prompts(
        &labels.map(|(kind, labels)| (kind.as_str().to_owned(), labels)).collect(),
    )
}

/// The kinds of task that the configuration tells apart.
const KNOWN: [TaskKind; 4] =
    [TaskKind::BUILDER, TaskKind::DEBUGGER, TaskKind::ORCHESTRATOR, TaskKind::SCOPER];

/// What an execution is given, for each kind of task that the configuration tells apart.
fn template(
    app: &App,
    repository: &Path,
) -> Box<dyn Fn(&TaskKind) -> RequestTemplate + Send + Sync> {
    let configured = app.repository(repository);
    let instruction = configured.append_instruction().map(str::to_owned);
    let servers = app.mcp_servers(&configured);
    let of = move |configured: &RepositoryConfig<'_>, kind: &TaskKind| {
        let tools = configured.tools(kind);
        RequestTemplate {
            system_prompt: instruction.clone(),
            policy: ToolPolicy::new(
                tools.allowed.as_deref().unwrap_or_default(),
                &tools.disallowed,
            ),
            allowed_tools: tools.allowed,
            disallowed_tools: tools.disallowed,
            mcp_servers: servers.clone(),
        }
    };
    let known = KNOWN.map(|kind| (of(&configured, &kind), kind));
    let other = of(&configured, &TaskKind::new("other"));
    Box::new(move |kind| {
        let found = known.iter().find(|(_, of)| of == kind);
        found.map_or_else(|| other.clone(), |(template, _)| template.clone())
    })
}
