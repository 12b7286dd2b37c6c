//! Fields that exclude each other, and fields that are required only in some places.

use schemars::Schema;
use schemars::transform::Transform;
use serde_json::json;

/// Exactly one of these fields.
#[derive(Debug, Clone, Copy)]
pub struct ExactlyOne(pub &'static [&'static str]);

impl Transform for ExactlyOne {
    fn transform(&mut self, schema: &mut Schema) {
        schema.insert("oneOf".to_owned(), self.0.iter().map(|field| json!({"required": [field]})).collect());
    }
}

/// These fields, in this place, of a type that does not require them everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Requires(pub &'static [&'static str]);

impl Transform for Requires {
    fn transform(&mut self, schema: &mut Schema) {
        schema.insert("required".to_owned(), json!(self.0));
    }
}
