//! JSON that a component wrote, as a value: bounded in depth, and by what it takes as a tree, before it is one. A
//! list of a few MB of `[],` would otherwise be a hundred times as large in memory.

use crate::{bound, redact::Redactor};
use cyrus_executor::{JSON_OBJECT_BYTES, JSON_VALUE_BYTES};
use serde_json::Value;

/// How deep a value may be nested.
pub(crate) const JSON_DEPTH: usize = 64;

/// What is kept of a text that is no JSON, or too large to be a tree, in bytes.
const KEPT_BYTES: usize = 16 << 10;

/// JSON text as a value of at most `most` bytes. What is no JSON, is nested too deep or takes more is taken as the
/// text it is, and cut.
pub(crate) fn value(text: String, most: usize, redactor: &Redactor) -> Value {
    let fits = tree_size(&text).is_some_and(|size| size <= most);
    match fits.then(|| serde_json::from_str(&text)) {
        Some(Ok(value)) => redactor.json(value),
        _ => Value::String(bound::redacted(text, KEPT_BYTES.min(most), redactor)),
    }
}

/// What JSON text takes as a tree, at least as much as [`cyrus_executor::json_size`] finds it to take, or what the
/// text itself takes when that is more. `None`: it is nested too deep.
fn tree_size(text: &str) -> Option<usize> {
    let (mut size, mut depth) = (JSON_VALUE_BYTES + text.len(), 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > JSON_DEPTH {
                    return None;
                }
                let own = if byte == b'{' { JSON_OBJECT_BYTES } else { JSON_VALUE_BYTES };
                size = size.saturating_add(own);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' | b':' => size = size.saturating_add(JSON_VALUE_BYTES),
            _ => {}
        }
    }
    Some(size)
}

/// What JSON text takes as a value, or as the text it is when it is nested too deep to become one.
pub(crate) fn size(text: &str) -> usize {
    tree_size(text).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_executor::json_size;
    use proptest::prelude::*;
    use serde_json::json;

    fn bounded(text: &str, most: usize) -> Value {
        value(text.to_owned(), most, &Redactor::default())
    }

    #[test]
    fn json_that_fits_is_a_value_and_all_else_a_text() {
        assert_eq!(bounded(r#"{"a": [1, "]"]}"#, 4096), json!({"a": [1, "]"]}));
        assert_eq!(bounded("no json", 4096), json!("no json"));
        let wide = format!("[{}[]]", "[],".repeat(10_000));
        let Value::String(kept) = bounded(&wide, 64 << 10) else { panic!("it became a tree") };
        assert!(kept.len() <= KEPT_BYTES && kept.starts_with("[[],[]"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(bounded(&deep(JSON_DEPTH), 1 << 20).is_array());
        assert!(bounded(&deep(JSON_DEPTH + 1), 1 << 20).is_string());
        let in_a_string = json!("[".repeat(JSON_DEPTH * 2));
        assert_eq!(bounded(&in_a_string.to_string(), 1 << 20), in_a_string);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 200, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_counted_before_is_never_less_than_what_the_tree_takes(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let counted = tree_size(&text);
                prop_assert!(counted.is_none_or(|counted| counted >= json_size(&value)), "{text}");
            }
        }

        #[test]
        fn no_text_makes_a_value_larger_than_allowed(text in r#"[\[\]{},:"\\a0 ]{0,400}"#, most in 0..4096_usize) {
            prop_assert!(json_size(&bounded(&text, most)) <= most + JSON_VALUE_BYTES);
        }
    }
}
