//! Checks answers against the schemas of the public API file.

use std::path::Path;

use serde_json::Value;

/// Checks a value against a schema of the public API file: types, required fields, and no field it does not know.
pub(crate) fn check(schema: &str, value: &Value) {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codegen-schemas.json"),
    );
    let schemas: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let mut problems = Vec::new();
    validate(&schemas, &schemas[schema], value, schema, &mut problems);
    assert!(problems.is_empty(), "{problems:?}\nin {value:#}");
}

fn validate(schemas: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return validate(schemas, &schemas[name], value, at, problems);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice| {
            let mut inner = Vec::new();
            validate(schemas, choice, value, at, &mut inner);
            inner.is_empty()
        };
        if !choices.iter().any(fits) {
            problems.push(format!("{at}: {value} fits none of {schema}"));
        }
        return;
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        problems.push(format!("{at}: {value} is not a known word"));
    }
    let right = match schema["type"].as_str() {
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                validate(schemas, &schema["items"], item, &format!("{at}[{index}]"), problems);
            }
            value.is_array()
        }
        Some("object") => {
            object(schemas, schema, value, at, problems);
            value.is_object()
        }
        other => panic!("{at}: the checker does not know the type {other:?}"),
    };
    if !right {
        problems.push(format!("{at}: {value} is not of type {}", schema["type"]));
    }
}

fn object(schemas: &Value, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            problems.push(format!("{at}.{name} is missing"));
        }
    }
    let open = schema.get("additionalProperties").is_some();
    for (name, field) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(property) => validate(schemas, property, field, &format!("{at}.{name}"), problems),
            None if open => {}
            None => problems.push(format!("{at}.{name} is not in the API file")),
        }
    }
}
