//! Talks to the API of `shunt serve`; errors say what to do next.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
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
    /// Not `http://host:port` or `https://host:port`.
    #[error("{0:?} is not the address of a server: write for example http://127.0.0.1:18080 or https://control.internal:18080")]
    Address(String),
    /// A secret that would be read by everybody on the way.
    #[error("a token over http:// to another machine can be read on the way: use https:// (server: {0})")]
    ClearText(String),
    /// A file with a token or a certificate.
    #[error("{file}: {error}")]
    File {
        /// Which.
        file: String,
        /// Why it cannot be used.
        error: String,
    },
    /// No server answers.
    #[error("no control plane answers at {server} ({cause})\n{}", remedy(server, cause))]
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

/// What helps against the usual causes.
fn remedy(server: &str, cause: &str) -> &'static str {
    let over_tls = server.starts_with("https://");
    if over_tls && cause.contains("UnknownIssuer") {
        "Name the authority of its certificate with --ca or SHUNT_CA: ca.pem, as `shunt certs init` wrote it."
    } else if over_tls && cause.contains("certificate") {
        "Reach it by a name that its certificate has, or make one with that name: `shunt certs init --host NAME`."
    } else if over_tls && cause.contains("InvalidContentType") {
        "It speaks no TLS: write http:// in --server or SHUNT_SERVER."
    } else if !over_tls && cause.contains("invalid HTTP version") {
        "It speaks TLS: write https:// in --server or SHUNT_SERVER, and name its authority with --ca or SHUNT_CA."
    } else {
        "Start one with `shunt serve --config DIR`, or name another one with --server or SHUNT_SERVER."
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the Rollout has moved on since the command's revision.
pub(crate) fn is_stale(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Problem(problem)) if problem.kind.ends_with("stale"))
}

fn explain(problem: &ProblemBody) -> String {
    let mut text = tame(&problem.detail);
    if !problem.known.is_empty() {
        text.push_str(&format!("\nKnown: {}", tame(&problem.known.join(", "))));
    }
    for error in problem.errors.iter().skip(1) {
        text.push_str(&format!("\n{}", tame(&error.to_string())));
    }
    if !problem.next.is_empty() {
        text.push_str(&format!("\n{}.", tame(problem.next.trim_end_matches('.'))));
    }
    text
}

/// Where the server is, and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reach {
    /// The control plane's API
    #[arg(long, global = true, value_name = "URL", env = "SHUNT_SERVER", default_value = "http://127.0.0.1:18080", hide_env_values = true)]
    pub(crate) server: String,

    /// Authority of the server's certificate, PEM [default: those that this machine trusts]
    #[arg(long, global = true, value_name = "FILE", env = "SHUNT_CA", hide_env_values = true, hide_short_help = true)]
    pub(crate) ca: Option<PathBuf>,

    /// Token, where the server asks for one; others on this machine can see it, SHUNT_TOKEN and --token-file they cannot
    #[arg(long, global = true, value_name = "TOKEN", env = "SHUNT_TOKEN", hide_env_values = true, hide_short_help = true)]
    pub(crate) token: Option<String>,

    /// File with the token
    #[arg(long, global = true, value_name = "FILE", env = "SHUNT_TOKEN_FILE", hide_env_values = true, hide_short_help = true)]
    pub(crate) token_file: Option<PathBuf>,
}

impl Reach {
    /// A token that is said comes before a file that is named.
    fn secret(&self) -> Result<Option<String>, ClientError> {
        match (&self.token, &self.token_file) {
            (Some(token), _) if !token.is_empty() => Ok(Some(token.clone())),
            (_, Some(file)) => read(file).map(|text| Some(text.trim().to_owned())),
            _ => Ok(None),
        }
    }
}

fn read(file: &Path) -> Result<String, ClientError> {
    std::fs::read_to_string(file).map_err(|error| ClientError::File { file: file.display().to_string(), error: error.to_string() })
}

/// A server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: Http,
    server: Url,
    token: Option<String>,
}

impl Client {
    /// The server there, as this person or program.
    pub(crate) fn new(reach: &Reach) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(reach.server.clone());
        let url = Url::parse(&reach.server).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong());
        }
        let token = reach.secret()?;
        if token.is_some() && url.scheme() == "http" && !is_local(&url) {
            return Err(ClientError::ClearText(reach.server.clone()));
        }
        // A proxy from the environment would be asked for loopback addresses, too.
        let mut builder = Http::builder().no_proxy().connect_timeout(CONNECT);
        if let Some(file) = &reach.ca {
            let unusable = |error: reqwest::Error| ClientError::File { file: file.display().to_string(), error: error.to_string() };
            let certificates = reqwest::Certificate::from_pem_bundle(read(file)?.as_bytes()).map_err(unusable)?;
            builder = certificates.into_iter().fold(builder.tls_built_in_root_certs(false), reqwest::ClientBuilder::add_root_certificate);
        } else if url.scheme() == "http" {
            builder = builder.tls_built_in_root_certs(false);
        }
        let http = builder.build().map_err(|_| wrong())?;
        Ok(Self { http, server: url, token })
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

    /// `PUT` of JSON
    pub(crate) async fn put<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(self.request(Method::PUT, path).timeout(ANSWER).json(body)).await
    }

    /// `DELETE` that answers
    pub(crate) async fn delete_for<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.answer(self.request(Method::DELETE, path).timeout(ANSWER)).await
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
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
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
