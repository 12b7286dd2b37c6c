//! Schemas of manifests, for editors.

use schemars::generate::SchemaSettings;
use schemars::transform::Transform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::AsWritten;
use crate::manifest::API_VERSION;
use crate::mesh_policy::MeshPolicySpec;
use crate::rollout::RolloutSpec;
use crate::rollout::analysis::AnalysisTemplateSpec;

/// A kind of manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `kind: Rollout`.
    Rollout,
    /// `kind: MeshPolicy`.
    MeshPolicy,
    /// `kind: AnalysisTemplate`.
    AnalysisTemplate,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rollout, Self::MeshPolicy, Self::AnalysisTemplate];

    /// As it stands in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Rollout => "Rollout",
            Kind::MeshPolicy => "MeshPolicy",
            Kind::AnalysisTemplate => "AnalysisTemplate",
        }
    }

    fn spec(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Kind::Rollout => generator.subschema_for::<RolloutSpec>(),
            Kind::MeshPolicy => generator.subschema_for::<MeshPolicySpec>(),
            Kind::AnalysisTemplate => generator.subschema_for::<AnalysisTemplateSpec>(),
        }
    }

    /// Whether a manifest without `spec` says anything.
    fn needs_spec(self) -> bool {
        match self {
            Kind::Rollout | Kind::AnalysisTemplate => true,
            Kind::MeshPolicy => false,
        }
    }
}

/// The schema of one kind of manifest, or of all of them: JSON Schema draft 7, which every editor knows.
pub fn editor(kind: Option<Kind>) -> Value {
    let mut generator = SchemaSettings::draft07().for_deserialize().into_generator();
    let mut whole = match kind {
        Some(kind) => document(kind, &mut generator),
        None => any(&mut generator),
    };
    whole.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    whole.insert("title".to_owned(), json!(kind.map_or("Manifests of Shunt", Kind::as_str)));
    whole.insert("definitions".to_owned(), Value::Object(generator.take_definitions(true)));
    let mut schema = Schema::from(whole);
    AsWritten.transform(&mut schema);
    schema.to_value()
}

/// A manifest of this kind, with its definitions left in the generator.
pub fn document(kind: Kind, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let name = json!({"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let required: Vec<&str> = ["apiVersion", "kind", "metadata"].into_iter().chain(kind.needs_spec().then_some("spec")).collect();
    let schema = json!({
        "type": "object",
        "required": required,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind.as_str()},
            "metadata": {
                "type": "object", "required": ["name"],
                "properties": {"name": name, "namespace": name, "labels": texts, "annotations": texts},
            },
            "spec": kind.spec(generator),
        },
    });
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Each kind where it is that kind, so that an error names its field and not three kinds.
fn any(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let kinds = Kind::ALL.map(Kind::as_str);
    let each = Kind::ALL.map(|kind| {
        let of_kind = json!({"properties": {"kind": {"const": kind.as_str()}}, "required": ["kind"]});
        json!({"if": of_kind, "then": document(kind, generator)})
    });
    let mut whole = Map::new();
    whole.insert("type".to_owned(), json!("object"));
    whole.insert("required".to_owned(), json!(["apiVersion", "kind", "metadata"]));
    whole.insert("properties".to_owned(), json!({"apiVersion": {"const": API_VERSION}, "kind": {"enum": kinds}}));
    whole.insert("allOf".to_owned(), json!(each));
    // What else it has is said by its kind.
    whole.insert("additionalProperties".to_owned(), json!(true));
    whole
}
