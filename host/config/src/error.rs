use std::{fmt, io, path::PathBuf};

/// Something that is wrong in the configuration, or not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `codegen.strategy`, `repositories[0].model`. Empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what to do. Never the value of a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not known where it is.
    #[error("there is no home directory: set HOME or CYRUS_HOME, or pass --cyrus-home")]
    NoHome,
    /// `CYRUS_HOME` names a variable that is not set.
    #[error("CYRUS_HOME: {0}")]
    HomeVariable(crate::UnsetVariable),
    /// The file is there and cannot be read.
    #[error("{file} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is larger than a configuration is.
    #[error("{file} is larger than {limit} bytes, which is more than a configuration needs")]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The most that is read.
        limit: usize,
    },
    /// It is no JSON.
    #[error(
        "{file}:{line}:{column}: {cause}; the file has to be JSON, without comments and trailing commas"
    )]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        cause: String,
    },
    /// It is JSON, and says something that makes no sense. All of it is listed.
    #[error("{file} is not usable:{}", list(.problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong. Never empty.
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |list, problem| list + "\n  " + &problem.to_string())
}
