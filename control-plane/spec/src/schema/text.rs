//! Schemas of texts with units, and of values that are one thing or another.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::rollout::analysis::{Allowance, Ignored};
use crate::rollout::quantity::{Amount, Percent, Points, Size};
use crate::rollout::strategy::{StatusRange, StepSpec, ThenSpec, ThenWord};
use crate::time::Span;

/// Schemas of types that read themselves.
macro_rules! schemas {
    ($($name:ident = |$generator:ident| $schema:expr;)*) => {
        $(
            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                    $schema
                }
            }
        )*
    };
}

schemas! {
    Span = |_generator| json_schema!({
        "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "description": "A whole number with its unit", "examples": ["300ms", "10s", "5m", "2h", "30d"],
    });
    Percent = |_generator| json_schema!({
        "type": "string", "pattern": "^[0-9.]+%$", "description": "0 to 100 percent, with its unit", "examples": ["99%", "99.9%"],
    });
    Points = |_generator| json_schema!({
        "type": "string", "pattern": "^[0-9.]+pp$", "description": "A difference of percentages, with its unit", "examples": ["0.5pp"],
    });
    Allowance = |_generator| json_schema!({
        "type": "string", "pattern": "^[0-9.]+(pp|x)$", "description": "Percentage points, or times the failures of stable", "examples": ["0.5pp", "1.5x"],
    });
    Size = |_generator| json_schema!({
        "type": "string", "pattern": "^[0-9]+(B|KiB|MiB)$", "description": "A whole number with its unit", "examples": ["64KiB"],
    });
    Amount = |_generator| json_schema!({
        "description": "A number of instances, or a share of all", "examples": [2, "25%"],
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9.]+%$"}],
    });
    Ignored = |_generator| json_schema!({
        "description": "A class of answers, a status of HTTP, or a status of gRPC",
        "oneOf": [
            {"enum": ["redirect", "rejected", "empty", "rejectedGrpc"]},
            {"type": "integer", "minimum": 300, "maximum": 499},
            {"type": "integer", "minimum": 1, "maximum": 16},
        ],
    });
    StatusRange = |_generator| json_schema!({
        "description": "A class, a range, or one status", "examples": ["2xx", "200-299", 204],
        "oneOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            {"type": "string", "pattern": "^([1-5]xx|[1-5][0-9][0-9]( *- *[1-5][0-9][0-9])?)$"},
        ],
    });
    ThenSpec = |generator| {
        let (word, step) = (generator.subschema_for::<ThenWord>(), generator.subschema_for::<StepSpec>());
        json_schema!({"description": "promote, stop, or a list of steps", "oneOf": [word, {"type": "array", "items": step}]})
    };
}
