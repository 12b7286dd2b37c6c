//! From schemas of Rust's types to schemas of JSON.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

/// For readers: numbers have no size, and descriptions no line ends and no links of Rust's.
#[derive(Debug, Clone, Copy)]
pub struct Readable;

impl Transform for Readable {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(fields) = schema.as_object_mut() {
            readable(fields);
        }
        transform_subschemas(self, schema);
    }
}

/// For what users write: the same, and fields are left out and not null, and unknown ones are errors.
#[derive(Debug, Clone, Copy)]
pub struct AsWritten;

impl Transform for AsWritten {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(fields) = schema.as_object_mut() {
            readable(fields);
            without_null(fields);
            let closed = fields.contains_key("properties") && fields.get("type").is_some_and(|kind| kind == "object");
            if closed && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        transform_subschemas(self, schema);
    }
}

fn readable(fields: &mut Map<String, Value>) {
    let sized = ["uint", "int", "float", "double"];
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| sized.iter().any(|size| format.starts_with(size))) {
        fields.remove("format");
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`");
    }
}

fn without_null(fields: &mut Map<String, Value>) {
    let null = json!("null");
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|kind| *kind != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = fields.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(any)) = fields.get_mut("anyOf") else { return };
    any.retain(|one| one.get("type") != Some(&null));
    if let [Value::Object(only)] = any.as_slice() {
        let only = only.clone();
        fields.remove("anyOf");
        // In draft 7 nothing beside a reference counts.
        if only.contains_key("$ref") {
            fields.insert("allOf".to_owned(), json!([only]));
        } else {
            fields.extend(only);
        }
    }
}
