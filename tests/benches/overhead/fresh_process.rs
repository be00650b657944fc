//! Measuring in a fresh process of this program, which does nothing else.

use serde::de::DeserializeOwned;
use std::{
    env,
    process::{Command, Stdio},
};

/// Starts this program with these words, and reads what it tells: one line of JSON.
pub(crate) fn measure<T: DeserializeOwned>(words: &[&str]) -> T {
    let output = Command::new(env::current_exe().expect("a path"))
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}: {}", words.join(" "), output.status);
    serde_json::from_slice(&output.stdout).expect("what it tells")
}
