//! A webhook: HTTP POST, signed when there is a key.

use std::error::Error;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};
use shunt_core::call::Reply;
use shunt_spec::plan::call::{Address, Webhook};

use super::Message;
use super::signature::{SIGNATURE, TIMESTAMP, sign};

/// Longest answer that is read, bytes; the rest is not needed.
const ANSWER_MAX: usize = 4_096;
/// Longest note, characters.
const NOTE_MAX: usize = 300;

/// One try.
pub(super) async fn post(client: &reqwest::Client, webhook: &Webhook, message: &Message) -> Reply {
    match tokio::time::timeout(message.patience(), ask(client, webhook, message)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(note)) => Reply::Nothing { note },
        Err(_) => Reply::Nothing { note: format!("no answer within {}", message.timeout) },
    }
}

async fn ask(client: &reqwest::Client, webhook: &Webhook, message: &Message) -> Result<Reply, String> {
    let url = match &webhook.address {
        Address::Url(url) => url.clone(),
        Address::File(file) => String::from_utf8(read(file).await?).map_err(|_| format!("{file} is not text"))?,
    };
    let url = reqwest::Url::parse(&url).map_err(|error| format!("the URL cannot be used: {error}"))?;
    let by = url.host_str().unwrap_or_default().to_owned();
    let mut request = client.post(url).header(CONTENT_TYPE, message.content_type);
    for (name, value) in &webhook.headers {
        request = request.header(name, value);
    }
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let timestamp = message.at.0 / 1_000;
    request = request.header(TIMESTAMP, timestamp.to_string());
    if let Some(file) = &webhook.secret_file {
        request = request.header(SIGNATURE, sign(&read(file).await?, timestamp, &message.body));
    }
    let response = request.body(message.body.clone()).send().await.map_err(|error| causes(&error.without_url()))?;
    Ok(answer(response, by).await)
}

/// A file's content without the line end that editors leave.
async fn read(file: &str) -> Result<Vec<u8>, String> {
    let mut bytes = tokio::fs::read(file).await.map_err(|error| format!("{file}: {error}"))?;
    bytes.truncate(bytes.trim_ascii_end().len());
    if bytes.is_empty() { Err(format!("{file} is empty")) } else { Ok(bytes) }
}

async fn answer(mut response: Response, by: String) -> Reply {
    let status = response.status();
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_MAX - bytes.len())]);
        if bytes.len() >= ANSWER_MAX {
            break;
        }
    }
    let said = one_line(&bytes);
    let with_status = || if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") };
    match status {
        StatusCode::FORBIDDEN => Reply::No { by, note: said },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Reply::Nothing { note: with_status() },
        status if status.is_success() => Reply::Yes { by, note: said },
        status if status.is_server_error() => Reply::Nothing { note: with_status() },
        _ => Reply::Neither { note: with_status() },
    }
}

/// What a receiver or a program said, fit for a journal: one line, no control characters, not too long.
pub(super) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(NOTE_MAX).collect()
}

/// An error with all that led to it: the outermost alone says only that sending failed.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(NOTE_MAX).collect()
}
