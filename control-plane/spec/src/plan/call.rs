//! Calls as planned: gates that say yes or no, and hooks that do something.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

/// One thing to ask or to do, as planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallSpec {
    /// For people, unique in the Rollout: `beforeTraffic`, `change-board`.
    pub name: String,
    /// What its answer means.
    pub kind: CallKind,
    /// Who is asked, or what is run.
    pub action: Action,
    /// How long one try may take.
    pub timeout: Span,
    /// Further tries after a try without an answer (no connection, time-out, status 5xx, exit by signal); with back-off.
    pub retries: u32,
}

/// What the answer of a call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CallKind {
    /// Yes (status 2xx, exit 0) lets the release go on; anything else is asked again later; no (status 403) ends it.
    Gate,
    /// Done (2xx, exit 0) lets the release go on; a failure after all retries ends it.
    Hook,
    /// Asked all the while a run goes on; yes (2xx, exit 0) ends the run: an outside rollback.
    Rollback,
}

impl std::fmt::Display for CallKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CallKind::Gate => "gate",
            CallKind::Hook => "hook",
            CallKind::Rollback => "rollback",
        })
    }
}

/// Who is asked, or what is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// A person: `shunt promote`.
    Manual,
    /// An HTTP POST with a JSON body.
    Webhook(Webhook),
    /// A process on the control plane's machine: program and arguments, no shell. The context is in its environment and on stdin.
    Command(Vec<String>),
}

impl Action {
    /// The webhook, when it is one.
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Action::Webhook(webhook) => Some(webhook),
            Action::Manual | Action::Command(_) => None,
        }
    }
}

/// Where a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Where it goes.
    pub address: Address,
    /// File with the key of the HMAC-SHA256 signature over the body; none: not signed.
    pub secret_file: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Further fields of the body.
    pub metadata: BTreeMap<String, String>,
    /// Time between two questions of a gate that has not said yes or no.
    pub interval: Span,
}

/// A URL, or the file with it: some receivers put a secret into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Address {
    /// `http://` or `https://`.
    Url(String),
    /// Absolute path of a file with one; read at each try.
    File(String),
}
