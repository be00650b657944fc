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
/// value, because a program may read it as a flag: pass it as `--flag=value`. Of a flag of one letter the value is
/// always the next argument: some programs read `-f=value` as the value `=value`. Positional arguments are matched
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

/// One argument, as a pattern reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    /// A flag without a value.
    Flag(String),
    /// A flag whose value is the next argument.
    Separate(String, String),
    /// A flag with its value, as `--flag=value`.
    Attached(String, String),
    Positional(String),
}

/// The arguments of a launch, as the one reading of them found them. They are launched from here and from nothing
/// else, so that what was judged is what the program gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<Argument>);

impl Arguments {
    /// Sets the value of a flag, wherever it is given, to what `value` makes of the one that was given.
    pub fn try_set<E>(
        &mut self,
        flag: &str,
        mut value: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        for argument in &mut self.0 {
            if let Argument::Separate(name, given) | Argument::Attached(name, given) = argument
                && name == flag
            {
                *argument = Argument::Attached(name.clone(), value(given)?);
            }
        }
        Ok(())
    }

    /// The list that the program gets.
    pub fn into_list(self) -> Vec<String> {
        let each = self.0.into_iter().flat_map(|argument| match argument {
            Argument::Flag(one) | Argument::Positional(one) => [Some(one), None],
            Argument::Separate(name, value) => [Some(name), Some(value)],
            Argument::Attached(name, value) => [Some(format!("{name}={value}")), None],
        });
        each.flatten().collect()
    }
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
    /// Reads this flag, with the value that is attached to it or follows it.
    fn read<'a>(
        &self,
        name: &str,
        attached: Option<&str>,
        next: &mut impl Iterator<Item = &'a str>,
    ) -> Result<Argument, ArgRefused> {
        let own = || name.to_owned();
        let (argument, pattern, value) = match (&self.value, attached) {
            (None, None) => return Ok(Argument::Flag(own())),
            (None, Some(_)) => return Err(unwanted_value(name)),
            (Some(_), Some(_)) if name.chars().count() == 2 => {
                return Err(attached_to_letter(name));
            }
            (Some(pattern), Some(value)) => {
                (Argument::Attached(own(), value.to_owned()), pattern, value)
            }
            (Some(pattern), None) => {
                let value = separate_value(name, next.next())?;
                (Argument::Separate(own(), value.to_owned()), pattern, value)
            }
        };
        if pattern.matches(value) { Ok(argument) } else { Err(other_value(name, value)) }
    }

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

    /// Reads arguments, which is refused where they are not all named here.
    pub(crate) fn read(&self, args: &[String]) -> Result<Arguments, ArgRefused> {
        let mut positionals = self.positionals.iter();
        let mut used = BTreeSet::new();
        let mut read = Vec::with_capacity(args.len());
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            if !arg.starts_with('-') {
                self.check_positional(arg, positionals.next())?;
                read.push(Argument::Positional(arg.to_owned()));
                continue;
            }
            let (name, attached) = split_flag(arg);
            let flag = self.flags.get(name).ok_or_else(|| unknown_flag(name, attached))?;
            if !used.insert(name) && !flag.repeat {
                return Err(repeated(name));
            }
            read.push(flag.read(name, attached, &mut args)?);
        }
        Ok(Arguments(read))
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

fn attached_to_letter(name: &str) -> ArgRefused {
    ArgRefused {
        wanted: format!("{name} with its value in the same argument"),
        line: (String::new(), String::new()),
        instead: Some(format!("the plugin has to pass the value of {name} as the next argument")),
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
        pattern()
            .read(&args)
            .map(|read| assert_eq!(read.into_list(), args))
            .map_err(|refused| refused.wanted)
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

    /// Programs take what follows a letter for its value, with the equals sign.
    #[test]
    fn a_letter_has_its_value_apart() {
        let pattern: ArgsPattern =
            serde_json::from_str(r#"{"flags": {"-o": ["x", "=x"], "--o": ["x"]}}"#).unwrap();
        let read = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(ToString::to_string).collect();
            pattern.read(&args).map(Arguments::into_list).map_err(|refused| refused.wanted)
        };
        assert_eq!(read(&["-o", "x"]).unwrap(), ["-o", "x"]);
        assert_eq!(read(&["--o=x"]).unwrap(), ["--o=x"]);
        assert!(read(&["-o=x"]).is_err());
    }

    #[test]
    fn both_have_to_let_a_flag_be_repeated() {
        let of = |repeat| FlagPattern { value: None, repeat };
        for (one, other, both) in
            [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
        {
            assert_eq!(of(one).intersection(&of(other)), Some(of(both)));
        }
    }

    #[test]
    fn values_are_quoted_where_they_could_be_taken_for_something_else() {
        let shown = |values: &[&str]| {
            let values = values.iter().map(ToString::to_string).collect();
            ValuePattern::OneOf(values).to_string()
        };
        assert_eq!(shown(&["json", "a/b:c@d%+,", ""]), r#"json|a/b:c@d%+,|"""#);
        assert_eq!(shown(&["a b", "c|d", "\u{1b}"]), r#""a b"|"c|d"|"\u{1b}""#);
    }

    #[test]
    fn a_refused_positional_says_which_line_is_to_be_changed() {
        let line = |args: &[&str]| {
            let args: Vec<_> = args.iter().map(ToString::to_string).collect();
            pattern().read(&args).unwrap_err().line
        };
        assert_eq!(line(&["stop"]), ("positionals[0]".to_owned(), "\"stop\"".to_owned()));
        assert_eq!(line(&["run", "x", "y"]), ("positionals".to_owned(), "\"any\"".to_owned()));
        let second: ArgsPattern =
            serde_json::from_str(r#"{"positionals": ["any", ["a"]]}"#).unwrap();
        let refused = second.read(&["x".to_owned(), "b".to_owned()]).unwrap_err();
        assert_eq!(refused.line.0, "positionals[1]");
    }

    #[test]
    fn the_default_takes_no_argument() {
        assert_eq!(ArgsPattern::default().read(&[]), Ok(Arguments::default()));
        assert!(ArgsPattern::default().read(&["x".to_owned()]).is_err());
        assert!(ArgsPattern::default().read(&["-x".to_owned()]).is_err());
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

    #[test]
    fn a_flag_that_the_host_sets_has_the_hosts_value_and_one_argument() {
        let mut pattern = pattern();
        pattern.flags.insert(
            "--file".to_owned(),
            FlagPattern { value: Some(ValuePattern::Any), repeat: false },
        );
        for given in [&["--file", "x", "-p"][..], &["--file=x", "-p"]] {
            let given: Vec<_> = given.iter().map(ToString::to_string).collect();
            let mut read = pattern.read(&given).unwrap();
            let set = |value: &str| if value == "x" { Ok("/host".to_owned()) } else { Err(()) };
            read.try_set("--file", set).unwrap();
            assert_eq!(read.into_list(), ["--file=/host", "-p"]);
        }
    }

    const NAMES: [&str; 5] = ["-a", "-b", "--aa", "--bb", "--cc"];

    const WORDS: [&str; 11] =
        ["", "x", "y", "=x", "update", "--aa", "--", "-", "--aa=x", "--bb=--cc=y", "-b=x"];

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
            proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
            (proptest::sample::select(&NAMES[..]), "[-=xy]{0,4}")
                .prop_map(|(name, value)| format!("{name}={value}")),
        ]
    }

    fn value_pattern() -> impl Strategy<Value = ValuePattern> {
        let values = proptest::collection::vec("[xy]|--aa|=x", 0..3);
        prop_oneof![Just(ValuePattern::Any), values.prop_map(ValuePattern::OneOf)]
    }

    prop_compose! {
        fn grant()(
            flags in proptest::collection::btree_map(
                proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
                (proptest::option::of(value_pattern()), any::<bool>())
                    .prop_map(|(value, repeat)| FlagPattern { value, repeat }),
                0..5,
            ),
            positionals in proptest::collection::vec(value_pattern(), 0..3),
        ) -> ArgsPattern {
            ArgsPattern { flags, positionals }
        }
    }

    /// A flag, with its value where it has one.
    type Flag = (String, Option<String>);

    /// What a program that reads its arguments as getopt does makes of a list: flags with values, and positionals.
    /// `None`: it would not take them.
    fn getopt(list: &[String], grant: &ArgsPattern) -> Option<(Vec<Flag>, Vec<String>)> {
        let (mut flags, mut positionals) = (Vec::new(), Vec::new());
        let mut list = list.iter();
        while let Some(arg) = list.next() {
            if arg == "--" {
                positionals.extend(list.by_ref().cloned());
            } else if arg == "-" || !arg.starts_with('-') {
                positionals.push(arg.clone());
            } else if let Some(rest) = arg.strip_prefix("--") {
                let (name, value) =
                    rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
                let name = format!("--{name}");
                let takes = grant.flags.get(&name).is_none_or(|flag| flag.value.is_some());
                let value = match value {
                    Some(value) => Some(value.to_owned()),
                    None if takes => Some(list.next()?.clone()),
                    None => None,
                };
                flags.push((name, value));
            } else {
                let (name, rest) = arg.split_at(2);
                let takes = grant.flags.get(name).is_none_or(|flag| flag.value.is_some());
                let value = match rest {
                    "" if takes => Some(list.next()?.clone()),
                    "" => None,
                    rest => Some(rest.to_owned()),
                };
                flags.push((name.to_owned(), value));
            }
        }
        Some((flags, positionals))
    }

    proptest! {
        /// Whatever is granted and whatever is given: what is launched has no flag, no value and no positional, as a
        /// program reads them, that is not granted. The value that the host sets is the host's, once.
        #[test]
        fn what_is_launched_is_what_is_granted(grant in grant(), host in any::<bool>(), list in proptest::collection::vec(word(), 0..7)) {
            let mut grant = grant;
            if host {
                grant.flags.insert("--cc".to_owned(), FlagPattern { value: Some(ValuePattern::Any), repeat: false });
            }
            let Ok(mut read) = grant.read(&list) else { return Ok(()) };
            if host {
                read.try_set("--cc", |_| Ok::<_, ()>("/host/file".to_owned())).unwrap();
            }
            let launched = read.into_list();
            let (flags, positionals) = getopt(&launched, &grant).expect("each flag has its value");
            for (name, value) in &flags {
                let flag = grant.flags.get(name);
                prop_assert!(flag.is_some(), "{} in {:?}", name, launched);
                match (&flag.unwrap().value, value) {
                    (None, None) => {}
                    (Some(pattern), Some(value)) => prop_assert!(pattern.matches(value), "{}={} in {:?}", name, value, launched),
                    other => prop_assert!(false, "{:?} of {} in {:?}", other, name, launched),
                }
                prop_assert!(!host || name != "--cc" || value.as_deref() == Some("/host/file"), "{:?}", launched);
                let times = flags.iter().filter(|(other, _)| other == name).count();
                prop_assert!(times == 1 || flag.unwrap().repeat, "{:?}", launched);
            }
            prop_assert!(positionals.len() <= grant.positionals.len(), "{:?}", launched);
            for (value, pattern) in positionals.iter().zip(&grant.positionals) {
                prop_assert!(pattern.matches(value), "{} in {:?}", value, launched);
            }
        }
    }
}
