//! JSON as text, read so that a key that is written twice is noticed.

use crate::{Problem, reader::join};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{cell::RefCell, fmt};

/// A document, and a warning for each key that is written twice. The last one counts, as it does for upstream.
pub(crate) fn parse(text: &str) -> Result<(Value, Vec<Problem>), serde_json::Error> {
    let twice = RefCell::new(Vec::new());
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Node { path: String::new(), twice: &twice }.deserialize(&mut from)?;
    from.end()?;
    Ok((value, twice.into_inner()))
}

struct Node<'a> {
    path: String,
    twice: &'a RefCell<Vec<Problem>>,
}

impl Node<'_> {
    fn child(&self, path: String) -> Node<'_> {
        Node { path, twice: self.twice }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) =
            items.next_element_seed(self.child(format!("{}[{}]", self.path, list.len())))?
        {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = join(&self.path, &key);
            let value = entries.next_value_seed(self.child(path.clone()))?;
            if object.insert(key, value).is_some() {
                let message = "is written more than once; the last one counts".to_owned();
                self.twice.borrow_mut().push(Problem { path, message });
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_serde_reads() {
        let text = r#"{"a": [1, -2, 1.5, "x", null, true, {}], "b": {"c": []}}"#;
        let (value, twice) = parse(text).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(twice, []);
    }

    #[test]
    fn notices_what_is_written_twice() {
        let (value, twice) =
            parse(r#"{"a": [{"b c": 1, "b c": 2}], "a": 3, "d": {"d": 4}}"#).unwrap();
        assert_eq!(value, json!({"a": 3, "d": {"d": 4}}));
        let paths: Vec<_> = twice.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [r#"a[0]["b c"]"#, "a"]);
    }

    #[test]
    fn refuses_what_follows_and_what_is_too_deep() {
        assert!(parse("{} {}").is_err());
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).unwrap_err().to_string().contains("recursion"));
    }
}
