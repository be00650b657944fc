use crate::{
    app::App,
    exit::Exit,
    output::{print_all, print_json_pretty, say, table},
};
use anyhow::Result;
use cyrus_executor::{LaunchedProgram, Line};
use cyrus_plugin::{
    Authority, Binding, ExecutorConfig, Explanation, Grants, Purpose, explain as rows,
};
use serde_json::json;
use std::path::Path;

/// `cyrus executor explain NAME`: what its plugin requests, what is granted, what holds, and what that means.
pub(crate) fn explain(app: &App, name: &str, json: bool) -> Result<Exit> {
    let config = app.executor_config(name, Path::new("."))?;
    let plugin = app.plugin(&config.plugin)?;
    let maximum = app.config().maximum();
    let binding = match app.refuse_hidden_grants(&config, plugin) {
        Ok(()) => {
            app.approvals().check(&config, plugin, Purpose::Inspect).map_err(|e| e.to_string())
        }
        Err(problem) => Err(problem.to_string()),
    };
    // What does not start has no authority, whatever is granted.
    let held = match &binding {
        Err(_) => ExecutorConfig { grants: Grants::default(), ..config.clone() },
        Ok(_) => config.clone(),
    };
    let mut rows = rows(&plugin.manifest, &config, maximum);
    if binding.is_err() {
        for row in &mut rows {
            "no".clone_into(&mut row.effective);
        }
    }
    let resolve = |program: &Path| app.program(program);
    let authority = Authority::of(&plugin.manifest, &held, maximum, &resolve);
    if json {
        let capabilities: Vec<_> = rows.iter().map(capability).collect();
        let all = json!({
            "executor": name,
            "plugin": config.plugin,
            "origin": plugin.origin.to_string(),
            "digest": plugin.digest.to_string(),
            "componentDigest": plugin.component_digest.to_string(),
            "binding": binding.as_ref().ok(),
            "problem": binding.as_ref().err(),
            "settings": config.settings,
            "grants": config.grants.concealed(),
            "capabilities": capabilities,
            "authority": authority,
            "programs": programs(app, &authority),
        });
        print_json_pretty(&all)?;
        return Ok(Exit::Done);
    }
    say!(
        "executor {name}: plugin {} {} ({}), {}",
        config.plugin,
        plugin.manifest.version,
        plugin.digest,
        plugin.origin
    );
    print_all(&Line::block("", "  | ", &bound(&binding)));
    let mut cells =
        vec![["CAPABILITY", "REQUESTED", "GRANTED", "HOLDS"].map(str::to_owned).to_vec()];
    cells.extend(
        rows.into_iter().map(|row| vec![row.capability, row.requested, row.granted, row.effective]),
    );
    print_all(&table(&cells));
    for line in authority.to_string().lines() {
        say!("{line}");
    }
    for LaunchedProgram { grant, file, sha256, .. } in programs(app, &authority) {
        say!("  {grant} is {}, SHA-256 {sha256}", file.display());
    }
    Ok(Exit::Done)
}

/// The files of the programs that it may launch, as they would be recorded.
fn programs(app: &App, authority: &Authority) -> Vec<LaunchedProgram> {
    let programs = authority.programs.iter();
    programs.filter_map(|program| app.identify(&program.grant, &program.program)).collect()
}

fn capability(row: &Explanation) -> serde_json::Value {
    json!({
        "capability": row.capability,
        "requested": row.requested,
        "granted": row.granted,
        "effective": row.effective,
    })
}

/// What the grants are bound to, for people.
fn bound(binding: &Result<Binding, String>) -> String {
    match binding {
        Ok(Binding::Bundled) => "its plugin is part of the program".to_owned(),
        Ok(Binding::Configured) => {
            "its grants are bound to this digest by the configuration".to_owned()
        }
        Ok(Binding::Approved) => {
            "its grants are bound to this digest, which was approved".to_owned()
        }
        Ok(Binding::FirstUse) => "its first use will approve this digest".to_owned(),
        Ok(Binding::NothingGranted) => "nothing is granted, so nothing is bound".to_owned(),
        Err(problem) => format!("it does not start: {problem}"),
    }
}
