use crate::{
    args::{SimulateArgs, SimulateCommand},
    exit::{Exit, usage},
};
use cyrus_simulate::{anthropic, claude, codegen};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
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
        // A thread of it may still be reading standard input.
        SimulateCommand::Claude { args } => std::process::exit(claude::run(args).await.into()),
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
    println!("{url}");
    eprintln!("A simulated {what} listens on {url}. Ctrl-C ends it.");
    tokio::signal::ctrl_c().await
}
