//! Schemas of the filter's types, by hand: the filter itself needs none. A test writes each out and reads it by its schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Names of the filter's types with their schemas.
macro_rules! schemas {
    ($($(#[$about:meta])* $name:ident = |$generator:ident| $schema:expr;)*) => {
        $(
            $(#[$about])*
            pub struct $name;

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
    /// Something that belongs to the machine and may grow.
    Open = |_generator| json_schema!({"type": "object", "additionalProperties": true});

    /// A share.
    Weight = |_generator| json_schema!({"type": "number", "minimum": 0, "maximum": 100, "description": "Percent"});

    /// The name of a version.
    VersionName = |_generator| json_schema!({
        "type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "description": "Lower-case letters, digits and '-'",
    });

    /// Namespace and name of a Rollout.
    RolloutId = |_generator| json_schema!({
        "type": "string", "maxLength": 127, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "description": "Namespace and name",
    });

    /// Conditions on a request.
    Match = |generator| {
        let (text, path, not) =
            (generator.subschema_for::<StringMatch>(), generator.subschema_for::<PathMatch>(), generator.subschema_for::<Match>());
        json_schema!({
            "type": "object", "description": "All of these must hold", "minProperties": 1,
            "properties": {
                "headers": {"type": "object", "additionalProperties": text, "description": "By header name"},
                "cookies": {"type": "object", "additionalProperties": text, "description": "By cookie name, case-sensitive"},
                "query": {"type": "object", "additionalProperties": text, "description": "By name of a query parameter, decoded"},
                "path": path,
                "methods": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z]+$"}, "description": "Any of these methods, upper case"},
                "not": {"type": "array", "items": not, "description": "None of these may match"},
            },
        })
    };

    /// A condition on one text.
    StringMatch = |_generator| json_schema!({
        "type": "object", "description": "Exactly one of these", "minProperties": 1, "maxProperties": 1,
        "properties": {
            "exact": {"type": "string", "description": "The whole value"},
            "prefix": {"type": "string", "description": "How it begins"},
            "suffix": {"type": "string", "description": "How it ends"},
            "contains": {"type": "string", "description": "What stands somewhere in it"},
            "regex": {"type": "string", "description": "The whole value, by a regular expression"},
            "present": {"const": true, "description": "It is there, even if empty"},
            "absent": {"const": true, "description": "It is not there"},
        },
    });

    /// A condition on the path.
    PathMatch = |_generator| json_schema!({
        "type": "object", "description": "The path without its query. Exactly one of these", "minProperties": 1, "maxProperties": 1,
        "properties": {
            "exact": {"type": "string", "description": "The whole path"},
            "prefix": {"type": "string", "description": "Its first segments: /shop matches /shop and /shop/cart, not /shopping"},
            "regex": {"type": "string", "description": "The whole path, by a regular expression"},
        },
    });

    /// One entry of the key chain.
    KeySource = |generator| {
        let attributes = generator.subschema_for::<CookieAttributes>();
        json_schema!({
            "type": "object", "description": "Exactly one of cookie, header, query",
            "oneOf": [
                {"required": ["cookie"]},
                {"required": ["header"], "not": {"required": ["generate"]}},
                {"required": ["query"], "not": {"required": ["generate"]}},
            ],
            "properties": {
                "cookie": {"type": "string", "minLength": 1, "description": "A cookie's name"},
                "header": {"type": "string", "minLength": 1, "description": "A request header's name, lower case"},
                "query": {"type": "string", "minLength": 1, "description": "A query parameter's name"},
                "generate": attributes,
            },
        })
    };

    /// What happens when nothing of the key chain is present.
    Keyless = |_generator| json_schema!({
        "type": "string", "enum": ["stable", "split"],
        "description": "stable: stable answers; split: by the request id, not sticky",
    });

    /// Attributes of a generated cookie.
    CookieAttributes = |_generator| json_schema!({
        "type": "object", "description": "With cookie: when nothing of the chain is present, an id is made and this cookie set",
        "properties": {
            "path": {"type": "string", "default": "/"},
            "domain": {"type": "string", "description": "Default: only the host that set it"},
            "maxAge": {"type": "string", "pattern": "^[0-9]+[smhd]$", "description": "Default: until the browser is closed", "examples": ["30d"]},
            "secure": {"type": "boolean", "default": false},
            "httpOnly": {"type": "boolean", "default": true},
            "sameSite": {"type": "string", "enum": ["Strict", "Lax", "None"], "default": "Lax"},
            "partitioned": {"type": "boolean", "default": false, "description": "Needs secure"},
            "signed": {"type": "boolean", "default": false, "description": "Only requests that bring a good tag count in analyses"},
        },
    });

    /// A value of a feature flag.
    FlagValue = |_generator| json_schema!({
        "type": ["boolean", "integer", "string"], "description": "A boolean, an integer of at most 15 digits, or printable ASCII",
    });

    /// Examples of what failed, or was no usual answer.
    Exemplars = |_generator| json_schema!({
        "type": "array", "description": "What failed, or was no usual answer; the most frequent first",
        "items": {
            "type": "object", "required": ["kind", "method", "path", "count"],
            "properties": {
                "kind": {"type": "string", "enum": ["failed", "abandoned", "hanging", "redirect", "rejected", "empty", "rejectedGrpc"]},
                "answer": {
                    "description": "What the client got; absent: nothing",
                    "oneOf": [
                        {"type": "string", "enum": ["reset", "timeout", "unreachable", "overflow"]},
                        {"type": "object", "required": ["status"], "properties": {"status": {"type": "integer"}}},
                        {"type": "object", "required": ["grpcStatus"], "properties": {"grpcStatus": {"type": "integer"}}},
                    ],
                },
                "method": {"type": "string", "description": "OTHER where it is none of RFC 9110 or RFC 5789", "examples": ["GET"]},
                "path": {"type": "string", "description": "The form of their paths, without a query"},
                "count": {"type": "integer", "description": "At least so many"},
            },
        },
    });

    /// The policy as the filters get it.
    RoutingPolicy = |_generator| json_schema!({
        "type": "object", "description": "As the filters get it, without what signs keys", "required": ["format", "generation"],
        "properties": {
            "format": {"type": "integer"},
            "generation": {"type": "integer"},
            "report": {"type": "object", "additionalProperties": true},
            "services": {"type": "array", "items": {"type": "object", "additionalProperties": true}},
            "flags": {"type": "array", "items": {"type": "object", "additionalProperties": true}},
        },
    });
}
