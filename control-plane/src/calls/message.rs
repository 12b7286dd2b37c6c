//! One thing to say to a receiver outside (a web server, a program), and the messenger that says it.

use std::time::Duration;

use anyhow::Context;
use shunt_core::call::{Body, Reply};
use shunt_core::event::Event;
use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::plan::{Format, Notification};
use shunt_spec::{Span, Time};

use super::{post, program};

/// Ready to go, or why it cannot be written.
pub(crate) type Written = Result<Message, String>;

/// What is said, ready to go.
#[derive(Debug)]
pub(crate) struct Message {
    /// To whom.
    pub(super) action: Action,
    /// How long it may take.
    pub(super) timeout: Span,
    /// When it was written, for its signature.
    pub(super) at: Time,
    /// The body's type.
    pub(super) content_type: &'static str,
    /// Headers of ours.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Environment of a command.
    pub(super) environment: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: Vec<u8>,
}

const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

impl Message {
    /// A gate, a hook, or the question whether to go back.
    pub(crate) fn of_call(spec: &CallSpec, body: &Body, at: Time) -> Written {
        let mut headers = vec![("x-shunt-call", body.id.clone()), ("x-shunt-try", body.r#try.to_string())];
        if spec.kind == CallKind::Hook {
            // A gate is asked anew each time: a receiver that keeps answers by this key would say "not yet" for ever.
            headers.push(("idempotency-key", body.id.clone()));
        }
        Ok(Self {
            action: spec.action.clone(),
            timeout: spec.timeout,
            at,
            content_type: JSON,
            headers,
            environment: body.environment(),
            body: json(body)?,
        })
    }

    /// An event.
    pub(crate) fn of_event(to: &Notification, event: &Event, at: Time) -> Written {
        let attributes = [
            ("ce-specversion", &event.specversion),
            ("ce-id", &event.id),
            ("ce-source", &event.source),
            ("ce-type", &event.r#type),
            ("ce-subject", &event.subject),
            ("ce-time", &event.time),
        ];
        let (content_type, headers, body) = match to.format {
            Format::CloudEvents => (CLOUD_EVENT, Vec::new(), json(event)?),
            Format::CloudEventsBinary => (JSON, attributes.map(|(name, value)| (name, value.clone())).to_vec(), json(&event.data)?),
            Format::Text => (JSON, Vec::new(), json(&serde_json::json!({ "text": sentence(event) }))?),
        };
        let environment = vec![
            ("SHUNT_ROLLOUT", event.data.rollout.to_string()),
            ("SHUNT_EVENT", event.data.event.as_str().to_owned()),
            ("SHUNT_EVENT_ID", event.id.clone()),
            ("SHUNT_VERSION", event.subject.clone()),
            ("SHUNT_TEXT", sentence(event)),
        ];
        Ok(Self { action: to.to.clone(), timeout: to.timeout, at, content_type, headers, environment, body })
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.timeout.0)
    }
}

/// For people: `shop/checkout: promoted v2: v2 is stable, proved by 3 proxies`.
fn sentence(event: &Event) -> String {
    let data = &event.data;
    let by = data.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{}: {} {}{by}: {}", data.rollout, data.event.as_str(), event.subject, data.reason)
}

/// An empty body would be taken for a message: better none is sent.
fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| format!("the body cannot be written as JSON, so nothing was sent: {error}"))
}

/// Says things; clones share what they have.
#[derive(Debug, Clone)]
pub(crate) struct Messenger {
    client: reqwest::Client,
}

impl Messenger {
    /// Errors when this machine's certificates cannot be used.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("shunt/", env!("CARGO_PKG_VERSION")))
            // A signed body goes where the manifest says, not where a receiver points.
            .redirect(reqwest::redirect::Policy::none())
            // Calls are minutes apart: a kept connection would only be one that has died.
            .pool_max_idle_per_host(0)
            .build();
        Ok(Self { client: client.context("HTTP client for webhooks")? })
    }

    /// One try.
    pub(crate) async fn deliver(&self, written: &Written) -> Reply {
        let message = match written {
            Ok(message) => message,
            Err(why) => return Reply::Neither { note: why.clone() },
        };
        match &message.action {
            Action::Webhook(webhook) => post::post(&self.client, webhook, message).await,
            Action::Command(command) => program::run(command, message).await,
            Action::Manual => Reply::Neither { note: "a person answers it".to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn what_cannot_be_written_is_not_sent_empty() {
        let why = json(&BTreeMap::from([(vec![1], 1)])).unwrap_err();
        assert!(why.starts_with("the body cannot be written as JSON, so nothing was sent: "), "{why}");
        assert_eq!(Messenger::new().unwrap().deliver(&Err(why.clone())).await, Reply::Neither { note: why });
    }
}
