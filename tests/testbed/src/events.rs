//! A client of server-sent events.

use anyhow::{Context, Result, bail};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::client::Ask;

/// An answer of which more is to come.
#[derive(Debug)]
pub struct Events {
    version: Option<String>,
    body: Incoming,
    text: String,
}

impl Events {
    /// Asks, and returns when the answer begins.
    pub async fn open(ask: Ask) -> Result<Self> {
        let response = ask.start().await?;
        let header = |name: &str| response.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if header("content-type").as_deref() != Some("text/event-stream") {
            bail!("status {} is no stream of events: {:?}", response.status(), response.headers());
        }
        Ok(Self { version: header("x-version"), body: response.into_body(), text: String::new() })
    }

    /// The version of the sample shop that sends them.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The next event's text; none when they have ended. An error when they break off.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = frame.context("the events broke off")?.into_data() {
                self.text.push_str(&String::from_utf8_lossy(&data));
            }
        }
    }
}
