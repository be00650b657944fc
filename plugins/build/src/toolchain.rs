use crate::BuildError;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// What components are compiled for. Its linker makes the component; no other tool takes part.
pub const TARGET: &str = "wasm32-wasip2";

/// Makes sure that the toolchain in use can compile for [`TARGET`], and has rustup install what is missing.
pub fn ensure_target() -> Result<(), BuildError> {
    if has_target()? {
        return Ok(());
    }
    let installed = Command::new("rustup").args(["target", "add", TARGET]).output();
    let reason = match installed {
        Ok(output) if output.status.success() => {
            if has_target()? {
                return Ok(());
            }
            "rustup installed it for another toolchain than the one that is building".to_owned()
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("rustup could not be started to install it ({error})"),
    };
    Err(BuildError::NoTarget { reason })
}

fn has_target() -> Result<bool, BuildError> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(BuildError::io(format!("{} could not be started", Path::new(&rustc).display())))?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    Ok(asked.status.success() && libraries.is_dir())
}
