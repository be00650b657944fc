use crate::{
    app::App,
    exit::{Exit, usage},
    output::{print_all, say},
};
use anyhow::Result;
use cyrus_executor::Line;
use cyrus_plugin::{Approval, Difference, DiscoveredPlugin, ExecutorConfig, PluginOrigin};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    path::Path,
};

/// `cyrus plugin approve NAME`: for every executor of the plugin whose approval is of another state of it.
pub(crate) fn approve(app: &App, name: &str, yes: bool) -> Result<Exit> {
    let plugin = app.plugin(name)?;
    if plugin.origin == PluginOrigin::Bundled {
        return Err(usage(format!("plugin {name} comes with Cyrus: there is nothing to approve")));
    }
    let approvals = app.approvals();
    let known = approvals.of_plugin(&plugin.manifest.name)?;
    let configured = configured(app, name);
    let open = outstanding(plugin, &known, &configured);
    let (found, at) = (plugin.digest, &plugin.origin);
    if open.is_empty() {
        say!(
            "plugin {name} ({found}) of {at} needs no approval: no executor's is of another state of it"
        );
        return Ok(Exit::Done);
    }
    for (executor, approved) in &open {
        print_all(&Line::block("", "  ", &question(plugin, executor, *approved)));
    }
    if !yes && !confirmed(name)? {
        say!("nothing was approved");
        return Ok(Exit::NotDone);
    }
    approvals.approve(open.keys().copied(), plugin)?;
    let names: Vec<_> = open.keys().copied().collect();
    say!("plugin {name} ({found}) is approved for executor {}", names.join(", "));
    for config in configured.values() {
        if let Err(mismatch) = config.bound_to(plugin) {
            print_all(&Line::block("", "  ", &mismatch.to_string()));
        }
    }
    Ok(Exit::Done)
}

/// The configured executors of this plugin that have grants.
fn configured(app: &App, plugin: &str) -> BTreeMap<String, ExecutorConfig> {
    let all = app.repository(Path::new(".")).executors().into_iter();
    let own = all.filter(|config| config.plugin == plugin && !config.grants.is_empty());
    own.map(|config| (config.name.clone(), config)).collect()
}

/// The executors whose approval is not of the plugin as it is installed, with what is approved.
fn outstanding<'a>(
    plugin: &DiscoveredPlugin,
    known: &'a BTreeMap<String, Approval>,
    configured: &'a BTreeMap<String, ExecutorConfig>,
) -> BTreeMap<&'a str, Option<&'a Approval>> {
    let names = known.keys().chain(configured.keys());
    names
        .map(|name| (name.as_str(), known.get(name)))
        .filter(|(_, approved)| approved.is_none_or(|approved| approved.digest != plugin.digest))
        .collect()
}

/// What is to be approved, for people.
fn question(plugin: &DiscoveredPlugin, executor: &str, approved: Option<&Approval>) -> String {
    let (name, at) = (&plugin.manifest.name, &plugin.origin);
    let found = Approval::of(plugin);
    if let Some(approved) = approved {
        let difference = Difference::between(approved, &found);
        return format!(
            "executor {executor}: plugin {name} of {at} changed since it was approved:\n{difference}"
        );
    }
    let nothing = Approval { manifest: String::new(), ..found.clone() };
    let all = Difference::between(&nothing, &found);
    format!("executor {executor}: plugin {name} of {at} was not used yet; it is:\n{all}")
}

/// Asks at the terminal.
fn confirmed(name: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(usage(format!(
            "approving plugin {name} has to be confirmed at a terminal, or with --yes"
        )));
    }
    say!("Approve plugin {name} as it is now? [y/N]");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
