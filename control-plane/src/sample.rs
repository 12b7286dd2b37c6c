//! What many tests begin with: a Rollout, a store that survives a crash, a server outside.

mod server;

use std::sync::Arc;

use shunt_core::State;
use shunt_spec::manifest::parse;
use shunt_spec::{Context, Plan, Time};
use tempfile::TempDir;

use crate::platform::{AuxiliaryStore, Stored};
use crate::standalone::Database;
pub(crate) use server::{Answer, Server};

/// `shop/checkout` with v1, which is released, and v2; `rest` are further lines of its spec.
pub(crate) fn manifest(rest: &str) -> String {
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [shop.test]}}
  versions:
    - {{name: v1, endpoints: ['127.0.0.1:9001']}}
    - {{name: v2, endpoints: ['127.0.0.1:9002']}}
  release: v1
  {rest}
"
    )
}

/// The plan of that.
pub(crate) fn plan(rest: &str) -> Plan {
    plan_of(&manifest(rest))
}

/// The plan of a whole manifest.
pub(crate) fn plan_of(text: &str) -> Plan {
    parse("a.yaml", text).unwrap()[0].compile(&Context::default()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// As it is stored with this state.
pub(crate) fn stored(plan: Plan, state: State) -> Stored {
    Stored { plan: Arc::new(plan), first_seen: Time(0), state, commands: Vec::new() }
}

/// A database in a folder of its own.
#[derive(Debug)]
pub(crate) struct Store {
    folder: TempDir,
    pub(crate) database: Database,
    pub(crate) auxiliary: AuxiliaryStore,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let auxiliary = database.auxiliary();
        Self { folder, database, auxiliary }
    }

    /// With one Rollout.
    pub(crate) async fn with(stored: &Stored) -> Self {
        let store = Self::new();
        store.database.admit(stored.clone()).await.unwrap();
        store
    }

    /// kill -9, and started again: only what is recorded is left.
    pub(crate) fn crash(self) -> Self {
        let Self { folder, database, auxiliary } = self;
        drop(auxiliary);
        database.close();
        let database = Database::open(folder.path()).unwrap();
        let auxiliary = database.auxiliary();
        Self { folder, database, auxiliary }
    }
}
