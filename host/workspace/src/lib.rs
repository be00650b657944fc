//! Clones, branches and checks: everything Cyrus does with git.
