//! What every request passes: who sends it, whether it comes too often, whether it is allowed; then its body is read, and when that
//! is there, whether there is room to work on it. Afterwards it is recorded.

mod repeat;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use shunt_core::identity::{Caller, IdentityMismatch};
use tokio::time::timeout;

use crate::access::{Access, Actor, Role};
use crate::access_store::{AccessRequest, AuditRecord};
use crate::arrival::{Expected, whole};
use crate::limits::Lane;
use crate::peer::Peer;
use crate::problem::{Kind, Problem};
use crate::shares::Share;

pub(crate) use repeat::repeat;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: it says nothing worth protecting.
    Nothing,
    /// At least this role.
    Role(Role),
    /// At least this role, or a token bound to the Rollout that the path names, for its instances.
    Instance(Role),
    /// A proxy, which the handler checks.
    Proxy,
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Answered at once.
    Quick,
    /// Answered for as long as the client likes, or after a wait.
    Long,
}

/// Whether it goes into the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// It changes something.
    Yes,
    /// Only when the handler said what it did.
    WhenSaid,
    /// It only reads.
    No,
}

/// What one route asks of its callers, and of their pace.
#[derive(Debug, Clone)]
pub(crate) struct Authorizer {
    pub(crate) access: Access,
    pub(crate) needs: Needs,
    pub(crate) pace: Pace,
    pub(crate) record: Record,
    /// Longest body, bytes.
    pub(crate) body_max: usize,
    /// The operation, for the audit.
    pub(crate) name: &'static str,
}

/// Lets a request in, or says why not.
pub(crate) async fn authorize(State(authorizer): State<Arc<Authorizer>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    let answer = match authorizer.needs {
        Needs::Proxy => authorizer.report(&peer, request, next).await,
        Needs::Nothing => authorizer.pass(&peer.ip(), request, next).await,
        Needs::Role(role) | Needs::Instance(role) => match authorizer.admit(&peer, request.headers()) {
            Ok((actor, client)) => {
                request.extensions_mut().insert(actor.clone());
                return authorizer.act(&actor, role, &client, request, next).await;
            }
            Err(problem) => Err(problem),
        },
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

impl Authorizer {
    /// What this kind of requests may use.
    fn lane(&self) -> (&Lane, &'static str) {
        let limits = &self.access.limits;
        match (self.needs, self.pace, self.record) {
            (Needs::Nothing, _, _) => (&limits.probes, "requests"),
            (Needs::Proxy, _, _) => (&limits.reports, "reports"),
            (Needs::Role(_) | Needs::Instance(_), Pace::Long, _) => (&limits.waits, "streams and waits"),
            (Needs::Role(_) | Needs::Instance(_), Pace::Quick, Record::No) => (&limits.reads, "requests"),
            (Needs::Role(_) | Needs::Instance(_), Pace::Quick, Record::Yes | Record::WhenSaid) => (&limits.changes, "changes"),
        }
    }

    /// Who it is, and by what name it is counted. A sender that is not known counts by address and apart, so that guessing tokens is
    /// slow and costs no other caller a request.
    fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<(Actor, String), Problem> {
        match self.access.actor(peer, bearer(headers)) {
            Ok(actor) => {
                let client = actor.token.clone().unwrap_or_else(|| peer.ip());
                self.rate(&client)?;
                Ok((actor, client))
            }
            Err(error) => {
                self.rate(&format!("unknown at {}", peer.ip()))?;
                tracing::info!(address = peer.ip(), operation = self.name, "not let in: {error}");
                Err(Problem::Unauthenticated(error))
            }
        }
    }

    fn rate(&self, client: &str) -> Result<(), Problem> {
        self.lane().0.rate.take(client, Instant::now()).map_err(Problem::TooOften)
    }

    async fn act(&self, actor: &Actor, role: Role, client: &str, request: Request, next: Next) -> Response {
        let object = object(request.uri().path());
        let bound = self.needs == Needs::Instance(role) && registers(actor, request.uri().path());
        let response = if actor.role < role && !bound {
            Problem::Forbidden { name: actor.name().to_owned(), has: actor.role, needs: role }.into_response()
        } else {
            self.work(client, request, next).await.unwrap_or_else(IntoResponse::into_response)
        };
        let recorded = match self.record {
            Record::Yes => true,
            Record::WhenSaid => actor.did().is_some(),
            Record::No => false,
        };
        if recorded {
            let record = self.audit_record(actor, object, &response);
            self.note(record).await;
        }
        response
    }

    async fn pass(&self, client: &str, request: Request, next: Next) -> Result<Response, Problem> {
        self.rate(client)?;
        self.work(client, request, next).await
    }

    /// Reads the body, then works on the request: a sender that is slow holds no place meanwhile.
    async fn work(&self, client: &str, request: Request, next: Next) -> Result<Response, Problem> {
        let limits = &self.access.limits;
        let from = if self.needs == Needs::Proxy { &limits.report_bodies } else { &limits.bodies };
        let (request, body) = whole(request, Expected { client, longest: self.body_max, from }, limits).await?;
        let (lane, what) = self.lane();
        let place = lane.places.take(client, 1).ok_or(Problem::Busy(what))?;
        Ok(self.run(request, next, [place, body]).await)
    }

    async fn run(&self, request: Request, next: Next, held: [Share; 2]) -> Response {
        match self.pace {
            Pace::Quick => {
                let response = timeout(self.access.limits.patience, next.run(request)).await;
                drop(held);
                response.unwrap_or_else(|_| Problem::Slow(self.access.limits.patience).into_response())
            }
            // The place is taken until the last byte is sent.
            Pace::Long => next.run(request).await.map(|body| {
                let held = body.into_data_stream().map(move |piece| {
                    let _held = &held;
                    piece
                });
                Body::from_stream(held)
            }),
        }
    }

    /// Reports: nothing of their body is read from a connection that speaks for no proxy.
    async fn report(&self, peer: &Peer, request: Request, next: Next) -> Result<Response, Problem> {
        let client = match &peer.caller {
            Caller::Certified(identity) => identity.text(),
            Caller::Local => peer.ip(),
            Caller::Unknown => return Err(IdentityMismatch::Uncertified("NODE".to_owned()).into()),
        };
        self.pass(&client, request, next).await
    }

    fn audit_record(&self, actor: &Actor, object: String, response: &Response) -> AuditRecord {
        let did = actor.did().unwrap_or_default();
        AuditRecord {
            at: (self.access.now)(),
            by: actor.name().to_owned(),
            address: actor.peer.ip(),
            verb: if did.verb.is_empty() { self.name.to_owned() } else { did.verb },
            object,
            detail: did.detail,
            status: response.status().as_u16(),
            result: response.extensions().get::<Kind>().map_or("done", |kind| kind.0).to_owned(),
        }
    }

    async fn note(&self, record: AuditRecord) {
        let AuditRecord { by, address, verb, object, result, .. } = &record;
        tracing::info!(by, address, verb, object, result, "asked through the API");
        if self.access.store.send(AccessRequest::Note(record)).await.is_err() {
            tracing::debug!("the audit is not kept: the access store has ended");
        }
    }
}

/// Whether the path is about instances of the Rollout that the caller's token is bound to. Compared as it came: a name needs no escapes.
fn registers(actor: &Actor, path: &str) -> bool {
    let mut parts = path.strip_prefix("/v1/rollouts/").unwrap_or_default().split('/');
    matches!((parts.next(), parts.next()), (Some(namespace), Some(name)) if actor.registers_for(namespace, name))
}

fn object(path: &str) -> String {
    crate::body::one_line(path.strip_prefix("/v1/").unwrap_or(path))
}

/// `authorization: Bearer <token>` (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether requests of this method may change something.
pub(crate) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Seconds to wait, whole and at least one, for `retry-after`.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX)
}
