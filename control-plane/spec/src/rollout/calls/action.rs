//! What a webhook or a command may look like.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::GATE_INTERVAL;
use crate::plan::call::{Action, Address, Webhook};
use crate::problems::Problems;
use crate::schema::ExactlyOne;
use crate::time::Span;

/// An HTTP POST. Exactly one of `url`, `urlFile`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["url", "urlFile"]))]
pub struct WebhookSpec {
    /// `http://` or `https://`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Absolute path of a file with the URL, when it carries a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<String>,
    /// Absolute path of a file with the key that signs the body. Default: not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// Further headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Further fields of the body, in `metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
}

impl WebhookSpec {
    /// With every problem noted. `path` is where it stands in the manifest.
    pub(super) fn check(&self, path: &str, interval: Span, problems: &mut Problems) -> Option<Webhook> {
        let address = self.address(path, problems);
        for (field, file) in [("urlFile", &self.url_file), ("secretFile", &self.secret_file)] {
            if file.as_ref().is_some_and(|file| !file.starts_with('/') || file.contains('\0')) {
                problems.add(format!("{path}.{field}"), "is not an absolute path: write for example /etc/shunt/webhook-key");
            }
        }
        let headers = self.headers.clone().unwrap_or_default();
        for (name, value) in &headers {
            if let Some(wrong) = wrong_header(name, value) {
                problems.add(format!("{path}.headers"), wrong);
            }
        }
        let metadata = self.metadata.clone().unwrap_or_default();
        Some(Webhook { address: address?, secret_file: self.secret_file.clone(), headers, metadata, interval })
    }

    fn address(&self, path: &str, problems: &mut Problems) -> Option<Address> {
        match (&self.url, &self.url_file) {
            (Some(url), None) => {
                if let Some(wrong) = wrong_url(url) {
                    problems.add(format!("{path}.url"), wrong);
                    return None;
                }
                Some(Address::Url(url.clone()))
            }
            (None, Some(file)) => Some(Address::File(file.clone())),
            (None, None) => {
                problems.add(path, "does not say where it goes: write url, for example url: https://gate.example/ask, or urlFile");
                None
            }
            (Some(_), Some(_)) => {
                problems.add(path, "has both url and urlFile: keep one");
                None
            }
        }
    }
}

/// Exactly one of the two.
pub(crate) fn target(webhook: Option<&WebhookSpec>, command: Option<&[String]>, path: &str, problems: &mut Problems) -> Option<Action> {
    match (webhook, command) {
        (Some(webhook), None) => webhook.check(&format!("{path}.webhook"), GATE_INTERVAL, problems).map(Action::Webhook),
        (None, Some(command)) => program(command, &format!("{path}.command"), problems),
        (None, None) => {
            problems.add(path, "does nothing: write webhook: {url: ...} or command: [program, argument]");
            None
        }
        (Some(_), Some(_)) => {
            problems.add(path, "has both webhook and command: keep one, or make two of it");
            None
        }
    }
}

fn program(command: &[String], path: &str, problems: &mut Problems) -> Option<Action> {
    match command {
        [] => problems.add(path, "is empty: write the program and its arguments, for example [/usr/local/bin/migrate, up]"),
        [program, rest @ ..] if rest.is_empty() && program.contains(char::is_whitespace) => problems.add(
            path,
            format!("{program:?} is one word with spaces, and there is no shell: write the program and each argument on its own, for example [/usr/local/bin/migrate, up]"),
        ),
        [program, ..] if program.is_empty() => problems.add(format!("{path}[0]"), "is empty: write the program"),
        _ => {}
    }
    if let Some(index) = command.iter().position(|part| part.contains('\0')) {
        problems.add(format!("{path}[{index}]"), "holds a NUL character, which no program can be given: remove it");
    }
    (!problems.within(path)).then(|| Action::Command(command.to_vec()))
}

/// What is wrong with a URL; none: nothing.
fn wrong_url(text: &str) -> Option<String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("{text:?} is not a URL ({error}): write for example https://gate.example/ask")),
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Some(format!("{text:?} does not begin with http:// or https:// and a host: write for example https://gate.example/ask"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("carries a password that everybody who reads the manifest sees: put the URL into a file and write urlFile".to_owned());
    }
    None
}

/// Ours are set whatever the manifest says.
const OURS: [&str; 4] = ["content-type", "content-length", "host", "transfer-encoding"];

/// What is wrong with a header; none: nothing.
fn wrong_header(name: &str, value: &str) -> Option<String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(token) {
        return Some(format!("{name:?} is not the name of a header: write letters, digits and -"));
    }
    if OURS.contains(&lower.as_str()) || lower.starts_with("x-shunt-") || lower.starts_with("ce-") {
        return Some(format!("{name} is set by Shunt: remove it"));
    }
    if value.bytes().any(|b| b < 0x20 && b != b'\t' || b == 0x7f) {
        return Some(format!("{name} has a control character in its value: remove it"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("https://gate.example/ask?x=1", None; "a url")]
    #[test_case("http://127.0.0.1:9000", None; "an address")]
    #[test_case("gate.example/ask", Some("is not a URL"); "no scheme")]
    #[test_case("ftp://gate.example", Some("http:// or https://"); "another scheme")]
    #[test_case("https://ann:pass@gate.example", Some("urlFile"); "a password")]
    fn urls(text: &str, expected: Option<&str>) {
        let wrong = wrong_url(text);
        assert_eq!(wrong.is_some(), expected.is_some(), "{wrong:?}");
        assert!(wrong.unwrap_or_default().contains(expected.unwrap_or_default()));
    }

    #[test_case("authorization", "Bearer x", true)]
    #[test_case("x shunt", "1", false; "a space")]
    #[test_case("X-Shunt-Signature", "1", false; "ours")]
    #[test_case("Content-Type", "text/plain", false; "ours too")]
    #[test_case("x-a", "1\r\nx-b: 2", false; "two headers in one")]
    fn headers(name: &str, value: &str, right: bool) {
        assert_eq!(wrong_header(name, value).is_none(), right);
    }
}
