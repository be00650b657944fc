//! `cyrus demo`: the whole path on a throw-away repository, with the outside services simulated.

mod files;
mod issue;
mod narrator;
mod script;
mod speed_up;
mod stage;
mod story;
mod watch;

use crate::{
    app::Opening,
    args::{DemoArgs, Format},
    exit::Exit,
};
use anyhow::Result;
use stage::Stage;

/// Sets the stage, plays, and says what happened and what of it was simulated.
pub(crate) async fn run(open: Opening, args: DemoArgs) -> Result<Exit> {
    let format = Format::from(args.json);
    let stage = Stage::set(&open).await?;
    let played = Box::pin(story::play(&stage, &open, format)).await;
    // The removing of what is in it is under way.
    open.trash.emptied().await;
    let kept = if args.keep { Some(stage.keep().await) } else { stage.strike().await };
    let (exit, session) = played?;
    if format == Format::Text {
        story::epilogue(kept.as_deref(), &session);
    }
    Ok(exit)
}
