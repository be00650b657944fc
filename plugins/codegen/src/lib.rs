//! Codegen as a Cyrus executor: the work is done by an agent in Codegen's cloud, on the repository's remote.
//!
//! An execution orders a run, and is suspended between one look at it and the next: a thousand runs wait on a thousand
//! checkpoints, not on instances. A run is ordered once for each idempotency key, whatever crashes between (see
//! [`checkpoint`]). What the API cannot say or do is said: it tells no cost, so the cost is an estimate, and where it
//! cannot stop a run, the run is reported as still running.

mod api;
mod checkpoint;
mod news;
mod outcome;
mod pace;
mod prompt;
mod repository;
mod settings;
mod status;
mod work;

use cyrus_sdk::{
    Context, Executor, Host, Result,
    contract::{Descriptor, Health, Outcome, Task, feature},
    export,
};
use settings::Settings;

/// See the crate.
struct Codegen;

impl Executor for Codegen {
    type Settings = Settings;

    fn describe(_: Settings) -> Result<Descriptor> {
        let description = "An agent in Codegen's cloud. It works on the repository's remote and hands in a branch.";
        Ok(Descriptor::new("Codegen", env!("CARGO_PKG_VERSION"), description)
            .features([feature::RESUME, feature::SUSPEND, feature::DETACH, feature::REMOTE_STOP])
            .settings_schema(&Settings::schema()))
    }

    async fn probe(settings: Settings, host: Host) -> Result<Health> {
        let page = api::Api::new(&host, &settings).repos(0, 1).await?;
        let seen = page.total.unwrap_or(page.items.len() as u64);
        let org = settings.org_id;
        Ok(Health::new(format!("organization {org}: the token is good, {seen} repositories"))
            .detail("address", settings.base_url)
            .detail("repositories", seen.to_string()))
    }

    async fn execute(task: Task, settings: Settings, context: Context) -> Result<Outcome> {
        work::Work::new(context, settings)?.run(&task).await
    }
}

export!(Codegen);

#[cfg(test)]
mod tests;
