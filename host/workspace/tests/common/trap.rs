//! A program that an executor would like to have run.

use super::World;
use cyrus_core::{PreparedWorkspace, Workspaces};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A program that makes the marker when it is run, whatever it is run as.
pub struct Trap {
    pub program: PathBuf,
    pub marker: PathBuf,
}

impl Trap {
    pub fn new(world: &World) -> Self {
        let trap = Self { program: world.path("trap.sh"), marker: world.path("marker") };
        let script = format!("#!/bin/sh\ntouch '{}'\ncat\n", trap.marker.display());
        executable(&trap.program, &script);
        trap
    }

    pub fn command(&self) -> String {
        self.program.display().to_string()
    }

    pub fn sprung(&self) -> bool {
        self.marker.exists()
    }

    /// That it was sprung by what came before, and is set again.
    pub fn reset(&self) {
        fs::remove_file(&self.marker).expect("the attack does not work at all");
    }
}

pub fn executable(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Everything that the host does with a clone after an execution.
pub async fn everything(world: &World, prepared: &PreparedWorkspace) -> String {
    let collected = world.collect(prepared).await;
    world.publish(prepared, &collected).await.unwrap();
    world.workspaces.prepare(&prepared.spec).await.unwrap();
    world.workspaces.discard(prepared).await.unwrap();
    collected.commit
}
