use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Which arguments may be passed to a program. Closed: what is not named is refused.
///
/// ```json
/// {
///   "flags": {
///     "--print": "none",
///     "--model": "any",
///     "--output-format": ["json", "stream-json"],
///     "--add-dir": {"value": "any", "repeat": true}
///   },
///   "positionals": [["serve"], "any"]
/// }
/// ```
///
/// A flag is named in full (`-abc` is one flag of that name) and given once, unless it says `repeat`. A value
/// follows as `--flag=value` or as the next argument; a next argument that begins with a hyphen is refused as a
/// value, because a program may read it as a flag: pass it as `--flag=value`. Positional arguments are matched
/// one by one, in order; they cannot begin with a hyphen, and there may be fewer. `--` is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArgsPattern {
    /// The flags, by name with their hyphens.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<String, FlagPattern>,
    /// The positional arguments, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positionals: Vec<ValuePattern>,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawValue", into = "RawValue")]
pub enum ValuePattern {
    /// Whatever it is: `"any"`.
    Any,
    /// One of these: `["a", "b"]`.
    OneOf(Vec<String>),
}

/// How a flag may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawFlag", into = "RawFlag")]
pub struct FlagPattern {
    /// Its value. `None`: it has none.
    pub value: Option<ValuePattern>,
    /// Whether it may be given more than once.
    pub repeat: bool,
}

/// Why arguments were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgRefused {
    /// The argument, as far as it is no value.
    pub wanted: String,
    /// What would allow it: a place below the pattern, and what to add there.
    pub line: (String, String),
    /// What cannot be allowed, and what to pass instead.
    pub instead: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawValue {
    Word(String),
    OneOf(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawFlag {
    Value(RawValue),
    Full(FullFlag),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullFlag {
    value: RawValue,
    #[serde(default)]
    repeat: bool,
}

impl TryFrom<RawValue> for ValuePattern {
    type Error = String;
    fn try_from(raw: RawValue) -> Result<Self, String> {
        match raw {
            RawValue::Word(word) if word == "any" => Ok(Self::Any),
            RawValue::Word(word) => {
                Err(format!("{word:?} is no value pattern: write \"any\" or a list of values"))
            }
            RawValue::OneOf(values) => Ok(Self::OneOf(values)),
        }
    }
}

impl From<ValuePattern> for RawValue {
    fn from(pattern: ValuePattern) -> Self {
        match pattern {
            ValuePattern::Any => Self::Word("any".to_owned()),
            ValuePattern::OneOf(values) => Self::OneOf(values),
        }
    }
}

impl TryFrom<RawFlag> for FlagPattern {
    type Error = String;
    fn try_from(raw: RawFlag) -> Result<Self, String> {
        let (value, repeat) = match raw {
            RawFlag::Value(value) => (value, false),
            RawFlag::Full(FullFlag { value, repeat }) => (value, repeat),
        };
        let value = match value {
            RawValue::Word(word) if word == "none" => None,
            value => Some(value.try_into().map_err(|e| format!("{e}, or \"none\""))?),
        };
        Ok(Self { value, repeat })
    }
}

impl From<FlagPattern> for RawFlag {
    fn from(pattern: FlagPattern) -> Self {
        let value = pattern.value.map_or_else(|| RawValue::Word("none".to_owned()), Into::into);
        if pattern.repeat {
            Self::Full(FullFlag { value, repeat: true })
        } else {
            Self::Value(value)
        }
    }
}

impl ValuePattern {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.iter().any(|known| known == value),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl ValuePattern {
    /// What both allow.
    fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, some) | (some, Self::Any) => some.clone(),
            (Self::OneOf(one), Self::OneOf(other)) => {
                Self::OneOf(one.iter().filter(|value| other.contains(value)).cloned().collect())
            }
        }
    }
}

impl FlagPattern {
    /// What both allow. `None`: one takes a value and the other none, so it cannot be passed at all.
    fn intersection(&self, other: &Self) -> Option<Self> {
        let value = match (&self.value, &other.value) {
            (None, None) => None,
            (Some(one), Some(other)) => Some(one.intersection(other)),
            (Some(_), None) | (None, Some(_)) => return None,
        };
        Some(Self { value, repeat: self.repeat && other.repeat })
    }
}

impl fmt::Display for ValuePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("(any)"),
            Self::OneOf(values) => {
                f.write_str(&values.iter().map(|value| plain(value)).collect::<Vec<_>>().join("|"))
            }
        }
    }
}

/// A value as it is, or quoted where it could be taken for something else.
fn plain(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&b);
    if !value.is_empty() && value.bytes().all(plain) {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// What may be passed, in a line: positional arguments, then flags.
impl fmt::Display for ArgsPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positionals: Vec<_> = self.positionals.iter().map(ToString::to_string).collect();
        let flag = |(name, flag): (&String, &FlagPattern)| {
            let value = flag.value.as_ref().map_or_else(String::new, |value| format!("={value}"));
            format!("{name}{value}{}", if flag.repeat { " (repeated)" } else { "" })
        };
        let flags: Vec<_> = self.flags.iter().map(flag).collect();
        let parts = [positionals.join(" "), flags.join(", ")];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}

impl ArgsPattern {
    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let common = |(name, flag): (&String, &FlagPattern)| {
            Some((name.clone(), flag.intersection(other.flags.get(name)?)?))
        };
        let positionals = self.positionals.iter().zip(&other.positionals);
        Self {
            flags: self.flags.iter().filter_map(common).collect(),
            positionals: positionals.map(|(one, other)| one.intersection(other)).collect(),
        }
    }

    /// Whether these arguments may be passed.
    pub(crate) fn check(&self, args: &[String]) -> Result<(), ArgRefused> {
        let mut positionals = self.positionals.iter();
        let mut used = BTreeSet::new();
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                self.check_positional(arg, positionals.next())?;
                continue;
            }
            let (name, attached) = split_flag(arg);
            let flag = self.flags.get(name).ok_or_else(|| unknown_flag(name, attached))?;
            if !used.insert(name) && !flag.repeat {
                return Err(repeated(name));
            }
            let value = match (&flag.value, attached) {
                (None, None) => continue,
                (None, Some(_)) => return Err(unwanted_value(name)),
                (Some(_), Some(value)) => value,
                (Some(_), None) => separate_value(name, args.next())?,
            };
            if let Some(pattern) = &flag.value
                && !pattern.matches(value)
            {
                return Err(other_value(name, value));
            }
        }
        Ok(())
    }

    fn check_positional(
        &self,
        arg: &str,
        pattern: Option<&ValuePattern>,
    ) -> Result<(), ArgRefused> {
        if pattern.is_some_and(|pattern| pattern.matches(arg)) {
            return Ok(());
        }
        let line = if pattern.is_some() {
            let at = self.positionals.iter().position(|p| Some(p) == pattern).unwrap_or(0);
            (format!("positionals[{at}]"), quoted(arg))
        } else {
            ("positionals".to_owned(), "\"any\"".to_owned())
        };
        Err(ArgRefused { wanted: format!("positional argument {arg:?}"), line, instead: None })
    }
}

fn split_flag(arg: &str) -> (&str, Option<&str>) {
    match arg.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (arg, None),
    }
}

fn separate_value<'a>(name: &str, next: Option<&'a str>) -> Result<&'a str, ArgRefused> {
    match next {
        Some(value) if !value.starts_with('-') => Ok(value),
        Some(_) => Err(ArgRefused {
            wanted: format!("{name} with a value that begins with a hyphen"),
            line: (String::new(), String::new()),
            instead: Some(format!("the plugin has to pass it as {name}=VALUE")),
        }),
        None => Err(ArgRefused {
            wanted: format!("{name} without a value"),
            line: (format!("flags.{name}"), "\"none\"".to_owned()),
            instead: None,
        }),
    }
}

fn unknown_flag(name: &str, attached: Option<&str>) -> ArgRefused {
    let value = attached.map_or("\"none\" or \"any\"", |_| "\"any\"");
    let instead = (name == "--").then(|| "end-of-flags is never passed on".to_owned());
    ArgRefused {
        wanted: format!("flag {name}"),
        line: ("flags".to_owned(), format!("{}: {value}", quoted(name))),
        instead,
    }
}

fn repeated(name: &str) -> ArgRefused {
    ArgRefused {
        wanted: format!("{name} more than once"),
        line: (format!("flags.{name}"), "\"repeat\": true".to_owned()),
        instead: None,
    }
}

fn unwanted_value(name: &str) -> ArgRefused {
    ArgRefused {
        wanted: format!("a value for {name}"),
        line: (format!("flags.{name}"), "\"any\"".to_owned()),
        instead: None,
    }
}

fn other_value(name: &str, value: &str) -> ArgRefused {
    ArgRefused {
        wanted: format!("{name} {value:?}"),
        line: (format!("flags.{name}"), quoted(value)),
        instead: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern() -> ArgsPattern {
        serde_json::from_str(
            r#"{"flags": {"-p": "none", "--model": "any", "--format": ["json", "text"],
                          "--dir": {"value": "any", "repeat": true}},
                "positionals": [["serve", "run"], "any"]}"#,
        )
        .unwrap()
    }

    fn check(args: &[&str]) -> Result<(), String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        pattern().check(&args).map_err(|refused| refused.wanted)
    }

    #[test]
    fn takes_what_is_named() {
        for args in [
            &[][..],
            &["-p", "--model", "opus", "--format=json"],
            &["--model=--settings"],
            &["--model="],
            &["--dir", "a", "--dir=b", "--dir", "c"],
            &["serve"],
            &["run", "-p", "x"],
        ] {
            assert_eq!(check(args), Ok(()), "{args:?}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (args, wanted) in [
            (&["--settings", "x"][..], "flag --settings"),
            (&["--settings=x"], "flag --settings"),
            (&["-p", "-p"], "-p more than once"),
            (&["-pv"], "flag -pv"),
            (&["-p=1"], "a value for -p"),
            (&["--format", "xml"], "--format \"xml\""),
            (&["--format"], "--format without a value"),
            (&["--model", "--settings"], "--model with a value that begins with a hyphen"),
            (&["--model", "--settings", "x"], "--model with a value that begins with a hyphen"),
            (&["--", "--settings"], "flag --"),
            (&["stop"], "positional argument \"stop\""),
            (&["serve", "a", "b"], "positional argument \"b\""),
            (&["-p", "serve", "a", "b"], "positional argument \"b\""),
            (&["-"], "flag -"),
            (&["--MODEL", "x"], "flag --MODEL"),
        ] {
            assert_eq!(check(args), Err(wanted.to_owned()), "{args:?}");
        }
    }

    #[test]
    fn the_default_takes_no_argument() {
        assert_eq!(ArgsPattern::default().check(&[]), Ok(()));
        assert!(ArgsPattern::default().check(&["x".to_owned()]).is_err());
        assert!(ArgsPattern::default().check(&["-x".to_owned()]).is_err());
    }

    #[test]
    fn other_words_are_no_pattern() {
        for bad in [
            r#"{"flags": {"-p": "maybe"}}"#,
            r#"{"flags": {"-p": {"value": "any", "times": 2}}}"#,
            r#"{"positionals": ["none"]}"#,
            r#"{"tail": true}"#,
        ] {
            assert!(serde_json::from_str::<ArgsPattern>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_written_pattern_reads_back() {
        let json = serde_json::to_string(&pattern()).unwrap();
        assert_eq!(serde_json::from_str::<ArgsPattern>(&json).unwrap(), pattern());
    }

    proptest! {
        /// Whatever is passed, a flag that is not named does not get through as an argument of its own.
        #[test]
        fn no_other_flag_gets_through(args in proptest::collection::vec("(-{0,2}[a-z=]{0,6}|--dir|--model|serve)", 0..6)) {
            if pattern().check(&args).is_ok() {
                for arg in args.iter().filter(|arg| arg.starts_with('-')) {
                    let (name, _) = split_flag(arg);
                    prop_assert!(pattern().flags.contains_key(name), "{}", arg);
                }
            }
        }
    }
}
