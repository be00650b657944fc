mod approve;

use crate::{
    app::App,
    args::{JsonArgs, PluginCommand},
    exit::Exit,
    output::{print_all, print_json_pretty, table},
};
use cyrus_executor::Line;
use cyrus_plugin::{BrokenPlugin, DiscoveredPlugin};
use cyrus_runtime::refuses;
use serde_json::{Value, json};

/// `cyrus plugin …`
pub(crate) fn plugin(app: &App, command: &PluginCommand) -> anyhow::Result<Exit> {
    match command {
        PluginCommand::List(JsonArgs { json }) => list(app, *json),
        PluginCommand::Approve { name, yes } => approve::approve(app, name, *yes),
    }
}

fn list(app: &App, json: bool) -> anyhow::Result<Exit> {
    let found = app.discovery();
    if json {
        let good = found.plugins.values().map(|plugin| described(plugin, false));
        let hidden = found.shadowed.iter().map(|plugin| described(plugin, true));
        let broken = found.broken.iter().map(described_broken);
        let all: Vec<Value> = good.chain(hidden).chain(broken).collect();
        print_json_pretty(&all)?;
        return Ok(Exit::Done);
    }
    let head = ["NAME", "VERSION", "PLACEMENT", "CONTRACT", "DIGEST", "WHERE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.plugins.values().map(|plugin| row(plugin, "")));
    rows.extend(found.shadowed.iter().map(|plugin| row(plugin, " (hidden by the one above)")));
    print_all(&table(&rows));
    let refused = found.plugins.values().filter_map(|plugin| {
        Some((plugin.manifest.name.to_string(), &plugin.origin, refuses(&plugin.manifest)?))
    });
    let broken = found.broken.iter();
    let broken =
        broken.map(|plugin| (plugin.name.clone(), &plugin.origin, plugin.error.to_string()));
    for (name, origin, error) in refused.chain(broken) {
        let text = format!("{name} cannot be used: {error} ({origin})");
        print_all(&Line::block("", "  | ", &text));
    }
    Ok(Exit::Done)
}

fn row(plugin: &DiscoveredPlugin, note: &str) -> Vec<String> {
    let manifest = &plugin.manifest;
    vec![
        manifest.name.to_string(),
        manifest.version.to_string(),
        manifest.placement.to_string(),
        manifest.contract.to_string(),
        plugin.digest.to_string().chars().take(19).collect(),
        format!("{}{note}", plugin.origin),
    ]
}

fn described(plugin: &DiscoveredPlugin, hidden: bool) -> Value {
    let manifest = &plugin.manifest;
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "contract": manifest.contract,
        "placement": manifest.placement,
        "description": manifest.description,
        "digest": plugin.digest.to_string(),
        "origin": plugin.origin.to_string(),
        "hidden": hidden,
        "error": refuses(manifest),
    })
}

fn described_broken(plugin: &BrokenPlugin) -> Value {
    json!({
        "name": plugin.name,
        "origin": plugin.origin.to_string(),
        "error": plugin.error.to_string(),
    })
}
