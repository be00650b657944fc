//! A place in the document, from which values are taken, each with its type; what has another type is noted as a
//! problem with its path.

use crate::{Problem, Sources, home};
use cyrus_executor::MicroUsd;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::{cell::RefCell, fmt::Display, path::PathBuf, str::FromStr, time::Duration};

/// The longest time that can be configured. It can be added to any moment.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// What was found wrong so far.
pub(crate) type Problems = RefCell<Vec<Problem>>;

/// A place in the document. Nothing may be there: `null` is the same as nothing.
#[derive(Clone)]
pub(crate) struct At<'a> {
    path: String,
    value: Option<&'a Value>,
    problems: &'a Problems,
}

impl<'a> At<'a> {
    /// The document as a whole, under this name in problems; empty for the configuration itself.
    pub(crate) fn root(name: &str, value: &'a Value, problems: &'a Problems) -> Self {
        Self { path: name.to_owned(), value: Some(value), problems }.without_null()
    }

    fn without_null(mut self) -> Self {
        self.value = self.value.filter(|value| !value.is_null());
        self
    }

    fn child(&self, path: String, value: Option<&'a Value>) -> Self {
        Self { path, value, problems: self.problems }.without_null()
    }

    /// Whether something is there.
    pub(crate) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// Whether a text is here.
    pub(crate) fn is_text(&self) -> bool {
        self.value.is_some_and(Value::is_string)
    }

    /// Whether `false` is here.
    pub(crate) fn is_no(&self) -> bool {
        self.value == Some(&Value::Bool(false))
    }

    /// Whether a list is here.
    pub(crate) fn is_list(&self) -> bool {
        self.value.is_some_and(Value::is_array)
    }

    /// What is under this key; nothing when this is no object, see [`At::object`].
    pub(crate) fn get(&self, key: &str) -> Self {
        self.child(join(&self.path, key), self.value.and_then(|value| value.get(key)))
    }

    /// Notes that something is wrong here.
    pub(crate) fn wrong(&self, message: impl Display) {
        let problem = Problem { path: self.path.clone(), message: message.to_string() };
        self.problems.borrow_mut().push(problem);
    }

    fn expect<T>(&self, wanted: &str, take: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value?;
        let taken = take(value);
        if taken.is_none() {
            self.wrong(format!("has to be {wanted}, and is {}", kind(value)));
        }
        taken
    }

    /// The object that is here.
    pub(crate) fn object(&self) -> Option<&'a Map<String, Value>> {
        self.expect("an object", Value::as_object)
    }

    /// The places under each key of the object that is here.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, At<'a>)> + use<'a, '_> {
        self.object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), self.child(join(&self.path, key), Some(value))))
    }

    /// The places in the list that is here.
    pub(crate) fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a, '_> {
        let list = self.expect("a list", Value::as_array).into_iter().flatten();
        list.enumerate()
            .map(|(index, value)| self.child(format!("{}[{index}]", self.path), Some(value)))
    }

    /// The text that is here. An empty one is as good as none.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.expect("a text", Value::as_str).filter(|text| !text.trim().is_empty())
    }

    /// The path that is here, as people write it: see [`home::expand`]. A variable that is not set is a problem.
    pub(crate) fn path(&self, sources: &Sources<'_>) -> Option<PathBuf> {
        let expanded = home::expand(self.text()?, sources.environment);
        expanded.map_err(|unset| self.wrong(unset)).ok()
    }

    /// The texts in the list that is here.
    pub(crate) fn texts(&self) -> Option<Vec<String>> {
        self.is_present()
            .then(|| self.items().filter_map(|item| item.text().map(str::to_owned)).collect())
    }

    /// The texts in the list that is here, of which there has to be one.
    pub(crate) fn some_texts(&self) -> Option<Vec<String>> {
        let texts = self.texts()?;
        if texts.is_empty() {
            self.wrong("has to name at least one, or be left out");
            return None;
        }
        Some(texts)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        self.expect("true or false", Value::as_bool)
    }

    /// A whole number of at least one.
    pub(crate) fn count(&self) -> Option<u64> {
        self.expect("a whole number above zero", |value| value.as_u64().filter(|&count| count > 0))
    }

    /// A whole number of at least one, and few enough to be held ready.
    pub(crate) fn number(&self) -> Option<u32> {
        self.fitting(self.count()?)
    }

    /// A whole number, where none is a number too.
    pub(crate) fn number_or_none(&self) -> Option<u32> {
        self.fitting(self.expect("a whole number, not below zero", Value::as_u64)?)
    }

    fn fitting(&self, count: u64) -> Option<u32> {
        u32::try_from(count).map_err(|_| self.wrong(format!("is more than {}", u32::MAX))).ok()
    }

    /// A time, as a whole number of these units of at least one.
    pub(crate) fn time(&self, unit: Duration) -> Option<Duration> {
        let count = u32::try_from(self.count()?).ok();
        let time = count.and_then(|count| unit.checked_mul(count));
        let time = time.filter(|time| *time <= LONGEST);
        if time.is_none() {
            self.wrong("is longer than a year");
        }
        time
    }

    /// A time, as a whole number of seconds of at least one.
    pub(crate) fn seconds(&self) -> Option<Duration> {
        self.time(Duration::from_secs(1))
    }

    /// An amount in US dollars, exact: a number, or a text such as `"1.50"`.
    pub(crate) fn money(&self) -> Option<MicroUsd> {
        let wanted = "an amount in US dollars with at most six decimals, such as 1.50";
        self.expect(wanted, |value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64().and_then(exact),
        })
    }

    /// What the text that is here stands for.
    pub(crate) fn word<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.text()?.parse().map_err(|error| self.wrong(error)).ok()
    }

    /// What the JSON that is here stands for.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        self.noting(T::deserialize(self.value?))
    }

    /// What an object stands for that has nothing but what is here, under this key.
    pub(crate) fn read_as<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.noting(T::deserialize(&json!({key: self.value?})))
    }

    /// What was read of what is here; why it could not be is noted, without the values that are there.
    pub(crate) fn noting<T>(&self, read: Result<T, serde_json::Error>) -> Option<T> {
        read.map_err(|error| self.wrong(without_values(&error.to_string()))).ok()
    }
}

/// The path of a key of what is at this path.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match (key.is_empty() || !key.chars().all(plain), path.is_empty()) {
        (true, _) => format!("{path}[{}]", Value::from(key)),
        (false, true) => key.to_owned(),
        (false, false) => format!("{path}.{key}"),
    }
}

/// The amount that a JSON number stands for, when it has at most six decimals.
fn exact(usd: f64) -> Option<MicroUsd> {
    let amount = MicroUsd::from_usd(usd)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "from_usd gives only what a float holds exactly"
    )]
    let back = amount.0 as f64 / 1e6;
    // Both are the float that is nearest to the decimal number, so they are the same or it is another number.
    (back.to_bits() == usd.to_bits()).then_some(amount)
}

/// A value's type, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number that does not fit or should be something else",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Serde's message without the text it met: in the wrong place, that may be a secret.
fn without_values(message: &str) -> String {
    for start in ["invalid type: string ", "invalid value: string "] {
        if let Some(rest) = message.strip_prefix(start)
            && let Some((_, expected)) = rest.rsplit_once(", expected ")
        {
            return format!("{start}(not shown), expected {expected}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn noted(value: &Value, take: impl Fn(&At<'_>)) -> Vec<String> {
        let problems = Problems::default();
        take(&At::root("", value, &problems).get("k"));
        problems.into_inner().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_wrong_type_is_noted_with_its_place() {
        let value = json!({"k": {"x y": [7]}});
        let said = noted(&value, |at| assert_eq!(at.get("x y").texts(), Some(vec![])));
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with(r#"k["x y"][0]: has to be a text"#), "{said:?}");
    }

    #[test]
    fn null_and_nothing_are_no_problem() {
        for value in [json!({"k": null}), json!({}), json!(3)] {
            let said = noted(&value, |at| {
                assert_eq!((at.text(), at.flag(), at.count()), (None, None, None));
                assert_eq!((at.money(), at.texts()), (None, None));
                assert_eq!(at.items().count() + at.entries().count(), 0);
            });
            assert!(said.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn money_is_a_number_or_a_text() {
        for (value, expected) in [
            (json!(1), 1_000_000),
            (json!(0.05), 50_000),
            (json!("2.50"), 2_500_000),
            (json!(0.000_001), 1),
            (json!(0), 0),
        ] {
            let document = json!({"k": value});
            assert!(
                noted(&document, |at| assert_eq!(at.money(), Some(MicroUsd(expected)))).is_empty()
            );
        }
        for value in [
            json!(-1),
            json!("much"),
            json!(1e300),
            json!(0.000_000_1),
            json!(1.000_000_4),
            json!([]),
        ] {
            assert_eq!(noted(&json!({"k": value}), |at| assert_eq!(at.money(), None)).len(), 1);
        }
    }

    #[test]
    fn numbers_and_times_fit_what_they_are_for() {
        for (value, number, or_none, seconds) in [
            (json!(1), Some(1), Some(1), Some(1)),
            (json!(0), None, Some(0), None),
            (json!(-1), None, None, None),
            (json!(1.5), None, None, None),
            (json!(31_622_400), Some(31_622_400), Some(31_622_400), Some(31_622_400)),
            (json!(31_622_401), Some(31_622_401), Some(31_622_401), None),
            (json!(u64::MAX), None, None, None),
        ] {
            let document = json!({ "k": value });
            let said = noted(&document, |at| {
                assert_eq!(at.number(), number);
                assert_eq!(at.number_or_none(), or_none);
                assert_eq!(at.seconds(), seconds.map(Duration::from_secs));
            });
            let wrong = [number.is_none(), or_none.is_none(), seconds.is_none()];
            assert_eq!(said.len(), wrong.iter().filter(|wrong| **wrong).count(), "{said:?}");
        }
        let month = json!({"k": u32::MAX});
        assert_eq!(
            noted(&month, |at| assert_eq!(at.time(Duration::from_hours(24)), None)).len(),
            1
        );
    }

    #[test]
    fn a_text_in_the_wrong_place_is_not_repeated() {
        let value = json!({"k": "hunter2, expected"});
        let said = noted(&value, |at| assert!(at.read::<BTreeMap<String, u8>>().is_none()));
        assert!(said.len() == 1 && !said[0].contains("hunter2"), "{said:?}");
    }
}
