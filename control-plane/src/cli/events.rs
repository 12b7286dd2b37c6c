//! Server-sent events of `GET /v1/watch`.

use reqwest::Response;
use shunt_api::rollouts::RolloutList;

use super::client::{Client, ClientError};

/// Longest event that is kept, bytes: a few thousand Rollouts.
const EVENT_MAX: usize = 64 * 1024 * 1024;

/// The Rollouts over time.
#[derive(Debug)]
pub(crate) struct Events {
    client: Client,
    response: Response,
    parser: Parser,
}

impl Events {
    /// Of one Rollout, or of all.
    pub(crate) async fn open(client: &Client, rollout: Option<&str>) -> Result<Self, ClientError> {
        let query: Vec<(&str, String)> = rollout.iter().map(|rollout| ("rollout", (*rollout).to_owned())).collect();
        let response = client.stream(&["watch"], &query).await?;
        Ok(Self { client: client.clone(), response, parser: Parser::default() })
    }

    /// The next state; none when the server ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<RolloutList>, ClientError> {
        loop {
            while let Some(data) = self.parser.event() {
                if let Ok(list) = serde_json::from_str(&data) {
                    return Ok(Some(list));
                }
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.parser.push(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.client.unreachable(&error)),
            }
        }
    }
}

/// Bytes -> data of events (WHATWG HTML §9.2.6, without `id` and `retry`).
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    data: Vec<String>,
}

impl Parser {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > EVENT_MAX {
            self.bytes.clear();
        }
    }

    /// Data of the next complete event. Comments (keep-alive) are none.
    fn event(&mut self) -> Option<String> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            match line.split_once(':') {
                None if line.is_empty() && !self.data.is_empty() => return Some(std::mem::take(&mut self.data).join("\n")),
                Some(("data", data)) => self.data.push(data.strip_prefix(' ').unwrap_or(data).to_owned()),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Parser;

    #[test]
    fn events_come_whole_however_the_bytes_come() {
        let text = ": keep-alive\n\nevent: rollouts\ndata: {\"a\":\ndata: 1}\n\ndata: {}\r\n\r\ndata: unfinished";
        for size in 1..=text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                parser.push(chunk);
                while let Some(event) = parser.event() {
                    events.push(event);
                }
            }
            assert_eq!(events, ["{\"a\":\n1}", "{}"], "chunks of {size}");
        }
    }
}
