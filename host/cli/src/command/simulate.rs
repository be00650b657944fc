use crate::{
    args::{FleetArgs, SimulateArgs, SimulateCommand},
    exit::{Exit, usage},
    output::{note, print_all, print_json_pretty, say, table},
};
use cyrus_core::Strategy;
use cyrus_executor::MicroUsd;
use cyrus_fleet::{Comparison, Line, usual_members, what_if};
use cyrus_simulate::{anthropic, claude, codegen, openai};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

/// `cyrus simulate …`
pub(crate) async fn simulate(command: SimulateCommand) -> anyhow::Result<Exit> {
    match command {
        SimulateCommand::Codegen(args) => {
            let script = script(&args, codegen::Script::read)?;
            let running = codegen::Codegen::start(script, address(&args))
                .await
                .map_err(|error| refused(&error))?;
            serve("Codegen API", &running.base_url()).await?;
            running.shutdown().await;
        }
        SimulateCommand::Anthropic(args) => {
            let script = script(&args, anthropic::Script::read)?;
            let running = anthropic::Anthropic::start(script, address(&args))
                .await
                .map_err(|error| refused(&error))?;
            serve("Anthropic Messages API", &running.base_url()).await?;
            running.shutdown().await;
        }
        SimulateCommand::OpenAi(args) => {
            let script = script(&args, openai::Script::read)?;
            let running = openai::OpenAi::start(script, address(&args))
                .await
                .map_err(|error| refused(&error))?;
            serve("OpenAI API", &running.base_url()).await?;
            running.shutdown().await;
        }
        // A thread of it may still be reading standard input.
        SimulateCommand::Claude { args } => std::process::exit(claude::run(args).await.into()),
        SimulateCommand::Fleet(args) => fleet(&args)?,
    }
    Ok(Exit::Done)
}

fn script<S: Default>(
    args: &SimulateArgs,
    read: impl Fn(&Path) -> Result<S, cyrus_simulate::ScriptError>,
) -> anyhow::Result<S> {
    let read = args.script.as_deref().map_or_else(|| Ok(S::default()), read);
    read.map_err(|error| usage(error.to_string()))
}

fn address(args: &SimulateArgs) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, args.port).into()
}

fn refused(error: &cyrus_simulate::StartError) -> anyhow::Error {
    usage(error.to_string())
}

/// Says where it is, on standard output for whoever started it, and waits for an interrupt.
async fn serve(what: &str, url: &str) -> std::io::Result<()> {
    say!("{url}");
    note!("A simulated {what} listens on {url}. Ctrl-C ends it.");
    tokio::signal::ctrl_c().await
}

/// Compares strategies on the same sessions.
fn fleet(args: &FleetArgs) -> anyhow::Result<()> {
    let strategies = if args.strategy.is_empty() { &Strategy::ALL } else { &args.strategy[..] };
    let sessions = usize::try_from(args.sessions)?;
    let (strategies, seed) = (strategies.to_vec(), args.seed);
    // On a thread that is no task of the runtime: there what is waited for would count against the task's turn, which
    // the simulated world never ends.
    let compared =
        std::thread::spawn(move || what_if(sessions, &strategies, seed, &usual_members()));
    let Ok(comparison) = compared.join() else { anyhow::bail!("the simulation broke off") };
    let comparison = comparison?;
    if args.json.json {
        print_json_pretty(&comparison)?;
    } else {
        print_all(&shown(&comparison));
    }
    Ok(())
}

fn shown(comparison: &Comparison) -> Vec<cyrus_executor::Line> {
    let headings =
        ["STRATEGY", "VALIDATED", "WALL TIME", "MEDIAN", "COST", "PER RESULT", "LOCAL", "CLOUD"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(comparison.lines.iter().map(row));
    table(&rows)
}

fn row(line: &Line) -> Vec<String> {
    vec![
        line.strategy.to_string(),
        share(line.validated, line.sessions),
        hours(line.wall),
        hours(line.median),
        cents(line.cost.0).to_string(),
        per_result(line.cost, line.validated),
        line.local.to_string(),
        line.cloud.to_string(),
    ]
}

/// How many of all, and in per cent, rounded down: only all of them are 100 %.
fn share(part: usize, all: usize) -> String {
    format!("{part}/{all} ({} %)", (part * 100).checked_div(all).unwrap_or(0))
}

/// Minutes are as exact as a simulated time need be told.
fn hours(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

fn per_result(cost: MicroUsd, validated: usize) -> String {
    let each = u64::try_from(validated).ok().and_then(|validated| cost.0.checked_div(validated));
    each.map_or_else(|| "-".to_owned(), |each| cents(each).to_string())
}

/// Rounded to whole cents.
fn cents(micro: u64) -> MicroUsd {
    const CENT: u64 = 10_000;
    MicroUsd((micro + CENT / 2) / CENT * CENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_told_in_a_row() {
        let line = Line {
            strategy: Strategy::HybridSmart,
            sessions: 300,
            validated: 299,
            wall: Duration::from_mins(125),
            median: Duration::from_secs(89),
            cost: MicroUsd(12_344_999),
            local: 12,
            cloud: 3456,
        };
        let told =
            ["hybrid-smart", "299/300 (99 %)", "2 h 05 min", "0 h 01 min", "$12.34", "$0.04"];
        assert_eq!(row(&line)[..6], told);
        let nothing = Line { sessions: 0, validated: 0, cost: MicroUsd::ZERO, ..line };
        assert_eq!(row(&nothing)[1], "0/0 (0 %)");
        assert_eq!(row(&nothing)[5], "-");
    }
}
