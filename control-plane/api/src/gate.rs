//! What every request passes: who sends it, whether there is room, whether it is allowed; afterwards it is recorded.

mod repeat;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::access::{Access, Actor, Role};
use crate::desk::{Deed, Errand};
use crate::limits::place;
use crate::peer::Peer;
use crate::problem::{Kind, Problem};

pub(crate) use repeat::repeat;

/// What a route asks of whoever calls it.
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
    /// It only looks.
    No,
}

/// One route's gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) access: Access,
    pub(crate) needs: Needs,
    pub(crate) pace: Pace,
    pub(crate) record: Record,
    /// The operation, for the audit.
    pub(crate) name: &'static str,
}

/// Lets a request in, or says why not.
pub(crate) async fn gate(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    match gate.needs {
        Needs::Proxy => gate.report(&peer, request, next).await,
        Needs::Nothing => match gate.room(&address(&peer)) {
            Ok(permit) => gate.run(request, next, permit).await,
            Err(problem) => problem.into_response(),
        },
        Needs::Role(role) | Needs::Instance(role) => match gate.admit(&peer, request.headers()) {
            Ok((actor, permit)) => {
                request.extensions_mut().insert(actor.clone());
                gate.act(&actor, role, request, next, permit).await
            }
            Err(problem) => problem.into_response(),
        },
    }
}

impl Gate {
    /// Who it is, and that there is room. Whoever is not known counts by address, so that guessing tokens is slow.
    fn admit(&self, peer: &Peer, headers: &HeaderMap) -> Result<(Actor, OwnedSemaphorePermit), Problem> {
        let actor = self.access.actor(peer, bearer(headers));
        let client = actor.as_ref().map_or_else(|_| address(peer), |actor| actor.token.clone().unwrap_or_else(|| address(peer)));
        let permit = self.room(&client)?;
        match actor {
            Ok(actor) => Ok((actor, permit)),
            Err(stranger) => {
                tracing::info!(address = address(peer), operation = self.name, "not let in: {stranger}");
                Err(Problem::Unauthenticated(stranger))
            }
        }
    }

    fn room(&self, client: &str) -> Result<OwnedSemaphorePermit, Problem> {
        let limits = &self.access.limits;
        limits.requests.take(client, Instant::now()).map_err(Problem::TooOften)?;
        let (places, what): (&Arc<Semaphore>, _) = match self.pace {
            Pace::Quick => (&limits.at_once, "requests"),
            Pace::Long => (&limits.waiting, "streams and waits"),
        };
        place(places).ok_or(Problem::Busy(what))
    }

    async fn act(&self, actor: &Actor, role: Role, request: Request, next: Next, permit: OwnedSemaphorePermit) -> Response {
        let object = object(request.uri().path());
        let bound = self.needs == Needs::Instance(role) && registers(actor, request.uri().path());
        let response = if actor.role < role && !bound {
            Problem::Forbidden { name: actor.name().to_owned(), has: actor.role, needs: role }.into_response()
        } else {
            self.run(request, next, permit).await
        };
        let recorded = match self.record {
            Record::Yes => true,
            Record::WhenSaid => actor.did().is_some(),
            Record::No => false,
        };
        if recorded {
            let deed = self.deed(actor, object, &response);
            self.note(deed).await;
        }
        response
    }

    async fn run(&self, request: Request, next: Next, permit: OwnedSemaphorePermit) -> Response {
        match self.pace {
            Pace::Quick => {
                let response = timeout(self.access.limits.patience, next.run(request)).await;
                response.unwrap_or_else(|_| Problem::Slow(self.access.limits.patience).into_response())
            }
            // The place is taken until the last byte is sent.
            Pace::Long => next.run(request).await.map(|body| {
                let held = body.into_data_stream().map(move |piece| {
                    let _held = &permit;
                    piece
                });
                Body::from_stream(held)
            }),
        }
    }

    /// Reports: limits of their own, nothing recorded.
    async fn report(&self, peer: &Peer, request: Request, next: Next) -> Response {
        let limits = &self.access.limits;
        let room = limits.reports.take(&address(peer), Instant::now()).map_err(Problem::TooOften);
        let permit = room.and_then(|()| place(&limits.reports_at_once).ok_or(Problem::Busy("reports")));
        match permit {
            Ok(permit) => self.run(request, next, permit).await,
            Err(problem) => problem.into_response(),
        }
    }

    fn deed(&self, actor: &Actor, object: String, response: &Response) -> Deed {
        let did = actor.did().unwrap_or_default();
        Deed {
            at: (self.access.now)(),
            by: actor.name().to_owned(),
            address: address(&actor.peer),
            verb: if did.verb.is_empty() { self.name.to_owned() } else { did.verb },
            object,
            detail: did.detail,
            status: response.status().as_u16(),
            result: response.extensions().get::<Kind>().map_or("done", |kind| kind.0).to_owned(),
        }
    }

    async fn note(&self, deed: Deed) {
        let Deed { by, address, verb, object, result, .. } = &deed;
        tracing::info!(by, address, verb, object, result, "asked through the API");
        if self.access.desk.send(Errand::Note(deed)).await.is_err() {
            tracing::debug!("nobody keeps the audit");
        }
    }
}

fn address(peer: &Peer) -> String {
    peer.address.ip().to_canonical().to_string()
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
