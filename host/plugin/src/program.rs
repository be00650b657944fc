//! What a granted program gets. It is worked out here, for each grant by itself, and nowhere else: launching and
//! explaining take this value.

use crate::{
    ArgsPattern, FlagPattern, HostMaximum, HostPattern, ModelRequest, ProcessGrant, ProcessRequest,
    SecretRef, ValuePattern,
};
use std::{collections::BTreeMap, path::PathBuf};

/// What one program of an executor gets: what its grant gives it, as far as the manifest requests it and the host's
/// maximum permits it. Nothing of it is another program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedProgram {
    /// The name of the grant.
    pub grant: String,
    /// The program as the configuration names it.
    pub program: PathBuf,
    /// The arguments that it may get, with the flag of the file of MCP servers.
    pub args: ArgsPattern,
    /// The flag of `args` whose value is always the path of a file that the host writes.
    pub mcp_flag: Option<String>,
    /// Its variables.
    pub env: BTreeMap<String, SecretRef>,
    /// The variables that it gets where the host has them, by name.
    pub passed: Vec<String>,
    /// Files of the host that it reads: those that variables of the host name.
    pub files: Vec<PathBuf>,
    /// The files of the operator's home that it sees.
    pub home_files: Vec<PathBuf>,
    /// The hosts that it reaches.
    pub hosts: Vec<HostPattern>,
    /// How it is pointed at its model's service.
    pub model: Option<ModelRequest>,
    /// Whether it reaches its model without the gateway.
    pub own_model: bool,
}

impl GrantedProgram {
    pub(crate) fn of(
        name: &str,
        request: &ProcessRequest,
        grant: &ProcessGrant,
        maximum: &HostMaximum,
    ) -> Self {
        let granted = granted_args(grant);
        let args =
            request.args.as_ref().map_or(granted.clone(), |args| args.intersection(&granted));
        let flag = grant.mcp_flag.clone().filter(|flag| args.flags.contains_key(flag));
        Self {
            grant: name.to_owned(),
            program: grant.program.clone(),
            args,
            mcp_flag: flag,
            env: grant.env.clone(),
            passed: grant.passed().map(str::to_owned).collect(),
            files: grant.files.clone(),
            home_files: grant.home_files.clone(),
            hosts: maximum.open_to(&grant.hosts).cloned().collect(),
            model: request.model.clone(),
            own_model: grant.own_model,
        }
    }
}

/// The arguments that a grant allows. The flag of the file of MCP servers is one of them: its value, which the host
/// replaces, may be any.
pub(crate) fn granted_args(grant: &ProcessGrant) -> ArgsPattern {
    let mut args = grant.args.clone();
    if let Some(flag) = &grant.mcp_flag {
        let once = FlagPattern { value: Some(ValuePattern::Any), repeat: false };
        args.flags.insert(flag.clone(), once);
    }
    args
}
