//! Schemas of what the API takes and gives, made from its types. What belongs to the machine and may grow (plans, states, observations) is
//! left open.

use schemars::generate::SchemaSettings;
use schemars::transform::Transform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use shunt_core::instance::InstanceView;
use shunt_core::observation::Freeze;
use shunt_core::replay::Incident;
use shunt_core::status::RolloutStatus;
use shunt_spec::schema::{AsWritten, Kind, Readable, document, filter};

use crate::access_store::{NewToken, Secret};
use crate::app::Accepted;
use crate::commands::{CommandBody, ReleaseBody, RollbackBody};
use crate::explain::{Explanation, Question};
use crate::freeze::FreezeBody;
use crate::logs::Logs;
use crate::problem::ProblemBody;
use crate::proxies::ProxyList;
use crate::recovery::{Recovery, RecoveryBody};
use crate::registrations::Endpoints;
use crate::rollouts::{History, RolloutList};
use crate::tokens::{Audit, TokenList};

type Add = fn(&mut SchemaGenerator);

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _ = generator.subschema_for::<T>();
}

const GIVEN: [Add; 16] = [
    add::<RolloutList>,
    add::<RolloutStatus>,
    add::<History>,
    add::<Incident>,
    add::<filter::RoutingPolicy>,
    add::<Explanation>,
    add::<Accepted>,
    add::<Freeze>,
    add::<Endpoints>,
    add::<InstanceView>,
    add::<Logs>,
    add::<ProxyList>,
    add::<TokenList>,
    add::<Secret>,
    add::<Recovery>,
    add::<Audit>,
];

const TAKEN: [Add; 7] =
    [add::<Question>, add::<CommandBody>, add::<ReleaseBody>, add::<RollbackBody>, add::<FreezeBody>, add::<NewToken>, add::<RecoveryBody>];

/// By name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut given = settings().for_serialize().into_generator();
    GIVEN.iter().chain([&(add::<ProblemBody> as Add)]).for_each(|add| add(&mut given));
    let mut taken = settings().for_deserialize().into_generator();
    TAKEN.iter().for_each(|add| add(&mut taken));
    let manifest = document(Kind::Rollout, &mut taken);
    let mut all = by_hand();
    let written = taken.take_definitions(true).into_iter().chain([("Manifest".to_owned(), Value::Object(manifest))]);
    all.extend(written.map(|(name, schema)| (name, transformed(schema, AsWritten))));
    // What is both taken and given is as it is given.
    all.extend(given.take_definitions(true).into_iter().map(|(name, schema)| (name, transformed(schema, Readable))));
    all
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into())
}

fn transformed(schema: Value, mut transform: impl Transform) -> Value {
    let Ok(mut schema) = Schema::try_from(schema) else { return Value::Null };
    transform.transform(&mut schema);
    schema.to_value()
}

/// Of what has no type here.
fn by_hand() -> Map<String, Value> {
    let report = json!({
        "type": "object", "required": ["node", "vm", "sequence", "generation"], "additionalProperties": true,
        "description": "What a filter posts",
        "properties": {
            "node": {"type": "string"}, "vm": {"type": "string"}, "sequence": {"type": "integer"}, "generation": {"type": "integer"},
            "module": {"type": "string", "description": "Version of the filter's module"},
        },
    });
    let own = json!({
        "type": "object", "required": ["openapi", "info", "paths"], "additionalProperties": true, "properties": {"openapi": {"type": "string"}},
    });
    Map::from_iter([("Report".to_owned(), report), ("OpenApi".to_owned(), own)])
}
