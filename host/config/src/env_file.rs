//! `.env` in Cyrus's home, where upstream keeps tokens: variables that count where the environment does not have them.

use crate::{ConfigError, config::open};
use std::{
    collections::BTreeMap,
    fmt,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The name of the file in Cyrus's home.
const ENV_FILE: &str = ".env";

/// The most that is read of it, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The variables of a `.env` file.
#[derive(Clone, Default)]
pub struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, String>,
    exposed: bool,
}

/// Names the variables: the values may be secrets.
impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvFile").field("names", &self.variables.keys()).finish_non_exhaustive()
    }
}

impl EnvFile {
    /// Reads the one in Cyrus's home. Where there is none, there are no variables.
    pub fn load(home: &Path) -> Result<Self, ConfigError> {
        let path = home.join(ENV_FILE);
        let unreadable = |cause| ConfigError::Unreadable { file: path.clone(), cause };
        let Some(file) = open(&path).map_err(unreadable)? else { return Ok(Self::default()) };
        let metadata = file.metadata().map_err(unreadable)?;
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        let exposed = metadata.permissions().mode() & 0o077 != 0;
        Ok(Self { variables: parse(&text), exposed, path })
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names of its variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others on this machine can read it.
    pub fn is_exposed(&self) -> bool {
        self.exposed && !self.variables.is_empty()
    }
}

/// `NAME=value` in each line, as dotenv reads it: `export` before the name, quotes around the value, comments.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let line = line.trim();
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let name = name.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            continue;
        }
        let value = value.trim_start();
        let quote = value.chars().next().filter(|first| "\"'`".contains(*first));
        let value = match quote {
            // A quoted value ends at its quote, which may be in a later line.
            Some(quote) => {
                let inner = &value[1..];
                match inner.find(quote) {
                    Some(end) => unescaped(&inner[..end], quote),
                    None => match rest.find(quote) {
                        Some(end) => {
                            let whole = format!("{inner}\n{}", &rest[..end]);
                            rest = rest[end..].split_once('\n').map_or("", |(_, after)| after);
                            unescaped(&whole, quote)
                        }
                        None => value.to_owned(),
                    },
                }
            }
            None => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        };
        variables.insert(name.to_owned(), value);
    }
    variables
}

/// Line ends are written `\n` in double quotes.
fn unescaped(value: &str, quote: char) -> String {
    if quote == '"' { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_dotenv_reads() {
        let read = parse(
            "\u{feff}# tokens\nA=plain # why\nexport B = \"two\\nlines\"\nC='it=1 #2'\n\nD=\nE=\"one\ntwo\"\nF=a#b\r\nno line\nbad name=1\n=x\nG=\"open\n",
        );
        let expected = [
            ("A", "plain"),
            ("B", "two\nlines"),
            ("C", "it=1 #2"),
            ("D", ""),
            ("E", "one\ntwo"),
            ("F", "a#b"),
            ("G", "\"open"),
        ];
        let read: Vec<_> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn a_file_that_is_not_there_has_no_variables_and_one_for_all_to_read_is_known() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(EnvFile::load(home.path()).unwrap().names().count(), 0);
        let path = home.path().join(ENV_FILE);
        std::fs::write(&path, "TOKEN=secret\n").unwrap();
        for (mode, exposed) in [(0o644, true), (0o600, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let file = EnvFile::load(home.path()).unwrap();
            assert_eq!((file.get("TOKEN"), file.is_exposed()), (Some("secret"), exposed));
            assert!(!format!("{file:?}").contains("secret"));
        }
    }
}
