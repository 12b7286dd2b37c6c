//! Talks to the API of `shunt serve`; errors say what to do next.

use std::error::Error as _;
use std::time::Duration;

use reqwest::{Client as Http, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shunt_api::ProblemBody;
use thiserror::Error;

use super::paint::tame;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take; longer than the server waits itself.
const ANSWER: Duration = Duration::from_secs(20);

/// Why the server did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// Not `http://host:port`.
    #[error("{0:?} is not the address of a server: write for example http://127.0.0.1:18080")]
    Address(String),
    /// Nobody answers.
    #[error(
        "no control plane answers at {server} ({cause})\n\
         Start one with `shunt serve --config DIR`, or name another one with --server or SHUNT_SERVER."
    )]
    Unreachable {
        /// Where.
        server: String,
        /// The innermost cause.
        cause: String,
    },
    /// It answered with a problem.
    #[error("{}", explain(.0))]
    Problem(Box<ProblemBody>),
    /// It is something else.
    #[error("{server} answered {status} to {what}, which is not Shunt's API: check --server or SHUNT_SERVER")]
    Foreign {
        /// Where.
        server: String,
        /// What it said.
        status: StatusCode,
        /// What it was asked.
        what: String,
    },
}

fn explain(problem: &ProblemBody) -> String {
    let mut text = tame(&problem.detail);
    if !problem.known.is_empty() {
        text.push_str(&format!("\nKnown: {}", tame(&problem.known.join(", "))));
    }
    if !problem.next.is_empty() {
        text.push_str(&format!("\n{}.", tame(problem.next.trim_end_matches('.'))));
    }
    text
}

/// A server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: Http,
    server: Url,
}

impl Client {
    /// The server at this address.
    pub(crate) fn new(server: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(server.to_owned());
        let url = Url::parse(server).map_err(|_| wrong())?;
        if url.scheme() != "http" || url.host_str().is_none() {
            return Err(wrong());
        }
        // A proxy from the environment would be asked for loopback addresses, too.
        let http = Http::builder().no_proxy().connect_timeout(CONNECT).build().map_err(|_| wrong())?;
        Ok(Self { http, server: url })
    }

    /// Its address.
    pub(crate) fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    /// `GET`
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.answer(self.request(Method::GET, path).timeout(ANSWER)).await
    }

    /// `GET` with a query
    pub(crate) async fn get_with<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, ClientError> {
        self.answer(self.request(Method::GET, path).query(query).timeout(ANSWER)).await
    }

    /// `POST` of JSON
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(self.request(Method::POST, path).timeout(ANSWER).json(body)).await
    }

    /// `DELETE`
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, path).timeout(ANSWER)).await.map(|_| ())
    }

    /// `GET` of an answer that does not end.
    pub(crate) async fn stream(&self, path: &[&str], query: &[(&str, String)]) -> Result<Response, ClientError> {
        self.send(self.request(Method::GET, path).query(query)).await
    }

    /// Segments are escaped one by one.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        self.http.request(method, url)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let (status, what) = (response.status(), response.url().path().to_owned());
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|_| self.foreign(status, what))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, what) = (response.status(), response.url().path().to_owned());
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Err(match serde_json::from_slice::<ProblemBody>(&bytes) {
            Ok(problem) => ClientError::Problem(Box::new(problem)),
            Err(_) => self.foreign(status, what),
        })
    }

    fn foreign(&self, status: StatusCode, what: String) -> ClientError {
        ClientError::Foreign { server: self.server().to_owned(), status, what }
    }

    /// With the innermost cause: that is what people can act on.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let mut cause = error.source();
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        let text =
            if error.is_timeout() { "no answer in time".to_owned() } else { cause.map_or_else(|| error.to_string(), ToString::to_string) };
        ClientError::Unreachable { server: self.server().to_owned(), cause: text }
    }
}
