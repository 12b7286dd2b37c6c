//! Reads bodies, queries and path parameters so that what is wrong with them is told as a [`Problem`].

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Longest body that is read where nothing else is said, bytes.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Longest manifest, bytes.
pub(crate) const MANIFEST_MAX: usize = shunt_spec::manifest::FILE_MAX;

/// Longest name or reason that a person may give, characters.
const TEXT_MAX: usize = 500;

/// A JSON body. Its content type must say so: a form of another site cannot be that without asking first.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = content_type(&request);
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::BytesRejection(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::TooLarge(BODY_MAX)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::MediaType(kind)),
            Err(rejection) => Err(Problem::Unreadable(rejection.body_text())),
        }
    }
}

/// A manifest: YAML or JSON, as its content type says.
#[derive(Debug)]
pub(crate) struct ManifestText(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for ManifestText {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = content_type(&request);
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(essence.as_str(), "application/json" | "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml") {
            return Err(Problem::MediaType(kind));
        }
        match String::from_request(request, state).await {
            Ok(text) => Ok(Self(text)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::TooLarge(MANIFEST_MAX)),
            Err(rejection) => Err(Problem::Unreadable(rejection.body_text())),
        }
    }
}

fn content_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_default()
}

/// The query.
#[derive(Debug)]
pub(crate) struct QueryParams<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection @ QueryRejection::FailedToDeserializeQueryString(_)) => Err(Problem::Unreadable(rejection.body_text())),
            Err(rejection) => Err(Problem::Unreadable(rejection.body_text())),
        }
    }
}

/// A text of a person for journal and terminals: one line, no control characters, bounded.
pub(crate) fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_draw_on_the_terminal() {
        assert_eq!(one_line(" too \u{1b}[31m many\r\n errors "), "too [31m many errors");
        assert_eq!(one_line(&"x".repeat(1_000)).len(), TEXT_MAX);
    }
}
