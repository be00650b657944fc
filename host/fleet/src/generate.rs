//! Scenarios drawn at random: the same for the same seed.

use crate::{Arrival, Ending, Lookup, MemberSpec, Random, Scenario, Temper, Weighted};
use cyrus_core::{
    Billing, Caps, Complexity, Issue, Needs, Plan, PlanSource, PlannedTask, SessionId, Strategy,
};
use cyrus_executor::{ErrorKind, MicroUsd, Placement, StopMode, Task, TaskId, TaskKind};
use cyrus_orchestrator::{AttemptPolicy, CloudFallback, Delivery, Scheduling, WhenOver};
use std::time::Duration;

/// The most sessions of one drawn scenario.
const MOST_SESSIONS: u64 = 4;
/// The most tasks of one drawn plan.
const MOST_TASKS: u64 = 8;

/// How an execution may fail, as often as each other.
const FAILURES: &[Ending] = &[
    Ending::Fails(ErrorKind::Unavailable, None),
    Ending::Fails(ErrorKind::RateLimited, Some(Duration::from_secs(90))),
    Ending::Fails(ErrorKind::RateLimited, Some(Duration::from_hours(5))),
    Ending::Fails(ErrorKind::RateLimited, None),
    Ending::Fails(ErrorKind::Unauthorized, None),
    Ending::Fails(ErrorKind::QuotaExhausted, None),
    Ending::Fails(ErrorKind::InvalidRequest, None),
    Ending::Fails(ErrorKind::Unsupported, None),
    Ending::Fails(ErrorKind::Refused, None),
    Ending::Fails(ErrorKind::Denied, None),
    Ending::Fails(ErrorKind::BudgetExceeded, None),
    Ending::Fails(ErrorKind::TurnLimit, None),
    Ending::Fails(ErrorKind::TimedOut, None),
    Ending::Fails(ErrorKind::Cancelled, None),
    Ending::Fails(ErrorKind::Failed, None),
    Ending::Fails(ErrorKind::Failed, None),
    Ending::Traps,
    Ending::Hangs,
    Ending::Answers,
];

/// The scenario of this seed: a few sessions with plans of some tasks, executors that fail in every way there is,
/// caps, budgets, a strategy, stops, and now and then a process that is killed.
pub fn scenario(seed: u64) -> Scenario {
    let mut random = Random::of(seed, &["scenario"]);
    let members = members(&mut random);
    let reviews = random.chance(120);
    let review = random.pick(&members).filter(|_| reviews).map(|member| member.name.clone());
    let push = random.chance(500);
    let mut drawn = Scenario {
        arrivals: arrivals(seed, &mut random),
        repositories: 2,
        files: small(random.between(4, 60)),
        checked: !random.chance(100),
        scheduling: scheduling(&mut random, &members),
        attempts: AttemptPolicy {
            most_attempts: small(random.between(1, 6)),
            rounds: small(random.between(0, 3)),
            when_over: when_over(&mut random),
            ..AttemptPolicy::default()
        },
        delivery: Delivery {
            push,
            pull_request: push && random.chance(600),
            share: random.chance(500),
        },
        review,
        resumes: small(random.below(3)),
        kills: kills(&mut random),
        members,
        ..Scenario::calm(seed)
    };
    drawn.budget.caps = caps(&mut random);
    drawn.budget.when_over = drawn.attempts.when_over;
    drawn.selection.strategy = *random.pick(&Strategy::ALL).unwrap_or(&Strategy::LocalOnly);
    drawn.selection.local_to_cloud = random.chance(300);
    if random.chance(200) {
        drawn.selection.fallback = CloudFallback::None;
    }
    if random.chance(150) {
        drawn.lookup = Lookup::Never;
    }
    drawn
}

/// Sessions for a comparison: a plan each, executors that fail now and then, nothing else in the way.
pub fn workload(seed: u64, sessions: usize, members: Vec<MemberSpec>) -> Scenario {
    let mut random = Random::of(seed, &["workload"]);
    let arrival = |number: usize| {
        let mut arrival = arrival(seed, number, &mut random);
        arrival.repository = 0;
        arrival.stop = None;
        arrival
    };
    Scenario {
        arrivals: (1..=sessions).map(arrival).collect(),
        members,
        // Else whatever builds on something is done here, and strategies would differ less than they can.
        delivery: Delivery { share: true, ..Delivery::default() },
        ..Scenario::calm(seed)
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn arrivals(seed: u64, random: &mut Random) -> Vec<Arrival> {
    let sessions = size(random.between(1, MOST_SESSIONS));
    (1..=sessions).map(|number| arrival(seed, number, random)).collect()
}

fn arrival(seed: u64, number: usize, random: &mut Random) -> Arrival {
    let id = session_id(seed, number);
    let mut issue = Issue {
        identifier: Some(format!("SIM-{number}")),
        title: format!("Work number {number}"),
        body: String::new(),
        labels: Vec::new(),
        urgency: None,
        sub_issues: Vec::new(),
        blocked_by: Vec::new(),
    };
    let plan = plan(random);
    let given = random.chance(700);
    if !given {
        issue.body = checklist(&plan);
    }
    let mut arrival = Arrival::new(id, issue, given.then_some(plan));
    arrival.after = Duration::from_secs(random.below(600));
    arrival.repository = size(random.below(2));
    if random.chance(80) {
        let mode = if random.chance(500) { StopMode::Cancel } else { StopMode::Detach };
        arrival.stop = Some((Duration::from_secs(random.between(1, 900)), mode));
    }
    arrival
}

fn session_id(seed: u64, number: usize) -> SessionId {
    let text = format!("sim-{seed:x}-{number}");
    text.parse().unwrap_or_else(|_| unreachable!("it is made of letters, digits and hyphens"))
}

/// A DAG of a few tasks: each comes after some of those before it.
fn plan(random: &mut Random) -> Plan {
    let count = size(random.between(1, MOST_TASKS));
    let mut tasks: Vec<PlannedTask> = Vec::with_capacity(count);
    let density = random.below(700);
    for number in 1..=count {
        let mut after: Vec<TaskId> = Vec::new();
        for before in &tasks {
            if after.len() < 3 && random.chance(density) {
                after.push(before.id().clone());
            }
        }
        tasks.push(PlannedTask { after, ..task(number, random) });
    }
    Plan { source: PlanSource::File, note: None, tasks }
}

fn task(number: usize, random: &mut Random) -> PlannedTask {
    const KINDS: [TaskKind; 6] = [
        TaskKind::BUILDER,
        TaskKind::BUILDER,
        TaskKind::BUILDER,
        TaskKind::DEBUGGER,
        TaskKind::SCOPER,
        TaskKind::ORCHESTRATOR,
    ];
    let task = Task {
        id: TaskId::numbered(number),
        kind: random.pick(&KINDS).cloned().unwrap_or(TaskKind::BUILDER),
        title: format!("Part {number}"),
        prompt: format!("Do part {number}"),
    };
    let complexity = [Complexity::Low, Complexity::Medium, Complexity::High];
    PlannedTask {
        complexity: random.pick(&complexity).copied().unwrap_or_default(),
        needs: Needs {
            local_context: random.chance(60),
            isolation: random.chance(60),
            parallelism: random.chance(150),
        },
        ..PlannedTask::new(task)
    }
}

/// The same tasks as an issue's checklist would have them.
fn checklist(plan: &Plan) -> String {
    let line = |planned: &PlannedTask| format!("- [ ] {}\n", planned.task.title);
    plan.tasks.iter().map(line).collect()
}

fn members(random: &mut Random) -> Vec<MemberSpec> {
    let count = random.between(2, 5);
    let member = |number: u64| {
        let local = number == 1 || random.chance(450);
        let (word, placement) =
            if local { ("local", Placement::Local) } else { ("cloud", Placement::Cloud) };
        let billing = [Billing::Metered, Billing::Metered, Billing::Subscription, Billing::None];
        MemberSpec {
            billing: random.pick(&billing).copied().unwrap_or_default(),
            price: random.chance(700).then(|| MicroUsd(random.between(20_000, 200_000))),
            max_per_day: random.chance(200).then(|| MicroUsd(random.between(50_000, 2_000_000))),
            temper: temper(random),
            ..MemberSpec::new(&format!("{word}-{number}"), placement)
        }
    };
    (1..=count).map(member).collect()
}

fn temper(random: &mut Random) -> Temper {
    let often = random.below(500);
    let kinds = random.between(0, 3);
    let failure = |_| Weighted {
        permille: often / kinds.max(1),
        ending: random.pick(FAILURES).cloned().unwrap_or_default(),
    };
    let endings = (0..kinds).map(failure).collect();
    Temper {
        endings,
        wrong: random.below(400),
        clashes: random.below(200),
        unpriced: random.below(300),
        overspends: random.below(150),
        ..Temper::default()
    }
}

fn scheduling(random: &mut Random, members: &[MemberSpec]) -> Scheduling {
    let mut scheduling = Scheduling {
        total: size(random.between(1, 12)),
        per_session: size(random.between(1, 6)),
        per_repository: size(random.between(1, 8)),
        local: size(random.between(1, 4)),
        cloud: size(random.between(1, 8)),
        ..Scheduling::default()
    };
    for member in members {
        if random.chance(300) {
            let limit = size(random.between(1, 3));
            scheduling.per_executor.insert(member.name.clone(), limit);
        }
    }
    scheduling
}

fn caps(random: &mut Random) -> Caps {
    let mut cap = |low, high| random.chance(250).then(|| MicroUsd(random.between(low, high)));
    Caps {
        task: cap(60_000, 600_000),
        session: cap(100_000, 2_000_000),
        executor: None,
        day: cap(200_000, 5_000_000),
    }
}

fn when_over(random: &mut Random) -> WhenOver {
    if random.chance(500) { WhenOver::Pause } else { WhenOver::Cheaper }
}

/// Mostly nobody dies.
fn kills(random: &mut Random) -> Vec<u64> {
    let count = if random.chance(300) { random.between(1, 3) } else { 0 };
    (0..count).map(|_| random.between(1, 200)).collect()
}
