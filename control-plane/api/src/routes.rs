//! All routes, each with what it needs and what its description says: the router and the OpenAPI document are made of this one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::access::Role;
use crate::app::App;
use crate::authorize::{Authorizer, Needs, Pace, Record, authorize, changes, repeat};
use crate::body::{BODY_MAX, MANIFEST_MAX};
use crate::reports::REPORT_MAX;
use crate::{
    commands, explain, freeze, health, logs, manifests, openapi, origin_check, proxies, recovery, registrations, reports, rollouts, scrape,
    stream, tokens, wait,
};

/// One operation.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Its `operationId`, and its verb in the audit.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    pub(crate) needs: Needs,
    pub(crate) query: &'static [Parameter],
    pub(crate) takes: Takes,
    pub(crate) gives: Gives,
    pace: Pace,
    record: Record,
    body_max: usize,
    handler: MethodRouter<App>,
}

/// A parameter in the query: name, schema type, what it means.
pub(crate) type Parameter = (&'static str, &'static str, &'static str);

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// A manifest, YAML or JSON.
    Manifest,
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// 204.
    Nothing,
    /// 200 with JSON of this schema.
    Json(&'static str),
    /// 201 with JSON of this schema.
    Created(&'static str),
    /// 202 with JSON of this schema.
    Later(&'static str),
    /// 200 with server-sent events, each with data of this schema.
    Events(&'static str),
    /// 200 with text of this kind.
    Text(&'static str),
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, name: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let writes = changes(&method);
        // Only methods of HTTP stand in the table.
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        Self {
            path,
            name,
            summary: "",
            needs: Needs::Role(if writes { Role::Operate } else { Role::Read }),
            query: &[],
            takes: Takes::Nothing,
            gives: Gives::Nothing,
            pace: Pace::Quick,
            record: if writes { Record::Yes } else { Record::No },
            body_max: BODY_MAX,
            handler: on(filter, handler),
            method,
        }
    }

    fn get<H: Handler<T, App>, T: 'static>(path: &'static str, name: &'static str, handler: H) -> Self {
        Self::new(Method::GET, path, name, handler)
    }

    fn post<H: Handler<T, App>, T: 'static>(path: &'static str, name: &'static str, handler: H) -> Self {
        Self::new(Method::POST, path, name, handler)
    }

    fn put<H: Handler<T, App>, T: 'static>(path: &'static str, name: &'static str, handler: H) -> Self {
        Self::new(Method::PUT, path, name, handler)
    }

    fn delete<H: Handler<T, App>, T: 'static>(path: &'static str, name: &'static str, handler: H) -> Self {
        Self::new(Method::DELETE, path, name, handler)
    }

    fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    fn takes(self, takes: Takes) -> Self {
        let body_max = if takes == Takes::Manifest { MANIFEST_MAX } else { self.body_max };
        Self { takes, body_max, ..self }
    }

    fn gives(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }

    /// It answers when it likes.
    fn long(self) -> Self {
        Self { pace: Pace::Long, ..self }
    }

    /// It changes nothing, although its method might.
    fn only_reads(self) -> Self {
        Self { needs: Needs::Role(Role::Read), record: Record::No, ..self }
    }

    /// It is sent again and again, and would fill the audit: recorded is only what the handler says that it did.
    fn recorded_when_said(self) -> Self {
        Self { record: Record::WhenSaid, ..self }
    }

    fn report(self) -> Self {
        Self { needs: Needs::Proxy, record: Record::No, body_max: REPORT_MAX, ..self }
    }

    fn longest(self, body_max: usize) -> Self {
        Self { body_max, ..self }
    }

    /// Whether a repeated request with the same idempotency key acts once.
    pub(crate) fn once(&self) -> bool {
        self.method == Method::POST && self.record == Record::Yes
    }

    fn guarded(self, app: &App) -> MethodRouter<App> {
        let once = self.once();
        let (needs, pace, record, body_max, name) = (self.needs, self.pace, self.record, self.body_max, self.name);
        let authorizer = Authorizer { access: app.access.clone(), needs, pace, record, body_max, name };
        let mut guarded = self.handler.route_layer(DefaultBodyLimit::max(self.body_max));
        if once {
            guarded = guarded.route_layer(from_fn_with_state(app.access.clone(), repeat));
        }
        guarded.route_layer(from_fn_with_state(Arc::new(authorizer), authorize)).route_layer(from_fn(origin_check::same_machine))
    }
}

/// All of them, guarded.
pub(crate) fn guarded(app: &App) -> Router<App> {
    all().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.guarded(app)))
}

const ROLLOUT: &str = "/v1/rollouts/{namespace}/{name}";
const ENDPOINT: &str = "/v1/rollouts/{namespace}/{name}/versions/{version}/endpoints/{address}";
const LIMIT: Parameter = ("limit", "integer", "At most so many of the newest entries");

/// Longest body of a recovery, bytes: a policy of some thousand services from each of a few proxies.
const RECOVERY_MAX: usize = 32 * 1024 * 1024;

/// The table.
pub(crate) fn all() -> Vec<Route> {
    [reads(), changes_of_rollouts(), instances(), about_proxies(), administration(), about_itself()].into_iter().flatten().collect()
}

fn reads() -> Vec<Route> {
    vec![
        Route::get("/v1/rollouts", "listRollouts", rollouts::list)
            .says("All Rollouts, and what is wrong with manifests")
            .gives(Gives::Json("RolloutList")),
        Route::get(ROLLOUT, "getRollout", wait::get)
            .says("One Rollout; with `wait`, answered once it is in one of these phases, 504 when that takes too long")
            .query(&[
                ("wait", "string", "Phases, separated by commas: Healthy, Progressing, Paused, Degraded, Rejected"),
                ("stable", "string", "Only when this version is stable"),
                ("after", "integer", "Only when its revision is greater"),
                ("timeout", "string", "How long to wait, for example 60s; default 30s, at most 5m"),
            ])
            .gives(Gives::Json("RolloutStatus"))
            .long(),
        Route::get("/v1/rollouts/{namespace}/{name}/history", "getHistory", rollouts::history)
            .says("What a Rollout did, oldest first; also of one that is gone")
            .query(&[LIMIT])
            .gives(Gives::Json("History")),
        Route::get("/v1/rollouts/{namespace}/{name}/journal", "getJournal", rollouts::journal)
            .says("The history with all that is needed to run it again elsewhere (`shunt replay`)")
            .query(&[LIMIT])
            .gives(Gives::Json("Incident")),
        Route::get("/v1/watch", "watch", stream::watch)
            .says("Server-sent events named `rollouts`: all now, and again whenever one changes")
            .query(&[("rollout", "string", "Only this one: namespace/name")])
            .gives(Gives::Events("RolloutList"))
            .long(),
        Route::get("/v1/policy", "getPolicy", rollouts::policy)
            .says("The routing policy as last published")
            .gives(Gives::Json("RoutingPolicy")),
        Route::post("/v1/explain", "explain", explain::explain)
            .says("Where a request would go, and why; changes nothing")
            .takes(Takes::Json("Question"))
            .gives(Gives::Json("Explanation"))
            .only_reads(),
    ]
}

fn changes_of_rollouts() -> Vec<Route> {
    vec![
        Route::put(ROLLOUT, "putRollout", manifests::put)
            .says("Deploy: write its manifest, one document that names it; answered once it is in force. With `command` it needs the role admin")
            .takes(Takes::Manifest)
            .gives(Gives::Json("Accepted")),
        Route::delete(ROLLOUT, "deleteRollout", manifests::remove)
            .says("Remove its manifest: everybody goes back to stable, then it ends")
            .gives(Gives::Json("Accepted")),
        Route::post("/v1/rollouts/{namespace}/{name}/release", "release", commands::release)
            .says("Name the version that should be stable: the strategy runs")
            .takes(Takes::Json("ReleaseBody"))
            .gives(Gives::Json("Accepted")),
        Route::post("/v1/rollouts/{namespace}/{name}/rollback", "rollback", commands::rollback)
            .says("Name the version before it: everybody goes back")
            .takes(Takes::Json("RollbackBody"))
            .gives(Gives::Json("Accepted")),
        Route::get("/v1/freeze", "getFreeze", freeze::get).says("Whether all releases are frozen, and why").gives(Gives::Json("Freeze")),
        Route::put("/v1/freeze", "freeze", freeze::put)
            .says("Nothing goes forward, anywhere, until an operator ends it; aborts and rollbacks work")
            .takes(Takes::Json("FreezeBody"))
            .gives(Gives::Json("Freeze")),
        Route::delete("/v1/freeze", "unfreeze", freeze::delete).says("Releases go on").gives(Gives::Json("Freeze")),
        Route::post("/v1/rollouts/{namespace}/{name}/commands", "command", commands::command)
            .says("Promote, pause, resume, abort, retry and others; answered with what came of it")
            .takes(Takes::Json("CommandBody"))
            .gives(Gives::Json("Accepted")),
    ]
}

/// Instances that register themselves. Renewing is no news: the audit has who registered, and who left.
fn instances() -> Vec<Route> {
    vec![
        Route::get("/v1/rollouts/{namespace}/{name}/versions/{version}/endpoints", "listInstances", registrations::list)
            .says("Instances of a version, registered or started")
            .gives(Gives::Json("Endpoints")),
        Route::get("/v1/rollouts/{namespace}/{name}/logs", "getLogs", logs::get)
            .says("What instances write that Shunt runs as commands: their last lines, or what came since; at most 1 MiB")
            .needs(Needs::Role(Role::Operate))
            .query(&[
                ("version", "string", "Only of this version"),
                ("instance", "integer", "Only of this instance, also when it is gone"),
                ("tail", "integer", "Lines of each, from its end; default 100, at most 10000"),
                ("after", "string", "instance:next,... of the answer before: what came since, instead of a tail"),
            ])
            .gives(Gives::Json("Logs")),
        Route::get(ENDPOINT, "getInstance", registrations::get)
            .says("One registered instance, until it is gone")
            .needs(Needs::Instance(Role::Read))
            .gives(Gives::Json("InstanceView")),
        Route::put(ENDPOINT, "registerInstance", registrations::put)
            .says("Register an instance, or renew it before its time to live is over")
            .needs(Needs::Instance(Role::Operate))
            .gives(Gives::Json("InstanceView"))
            .recorded_when_said(),
        Route::delete(ENDPOINT, "deregisterInstance", registrations::delete)
            .says("Drain an instance: out of discovery, proved, then it may go")
            .needs(Needs::Instance(Role::Operate))
            .gives(Gives::Later("InstanceView")),
    ]
}

fn about_proxies() -> Vec<Route> {
    vec![
        Route::get("/v1/proxies", "listProxies", proxies::list).says("Proxies, and how far each has come").gives(Gives::Json("ProxyList")),
        Route::delete("/v1/proxies/{node}", "forgetProxy", proxies::forget).says("A proxy will never come back: wait for it no longer"),
        Route::post(shunt_filter_core::names::REPORT_PATH, "report", reports::post)
            .says("What a filter reports; only for the node that the client certificate names, or from this machine")
            .takes(Takes::Json("Report"))
            .report(),
    ]
}

fn administration() -> Vec<Route> {
    vec![
        Route::get("/v1/tokens", "listTokens", tokens::list)
            .says("All tokens, without their secrets")
            .needs(Needs::Role(Role::Admin))
            .gives(Gives::Json("TokenList")),
        Route::post("/v1/tokens", "createToken", tokens::create)
            .says("Make a token; its secret is shown this once")
            .needs(Needs::Role(Role::Admin))
            .takes(Takes::Json("NewToken"))
            .gives(Gives::Created("Secret"))
            .longest(4 * 1024),
        Route::delete("/v1/tokens/{name}", "revokeToken", tokens::revoke)
            .says("End a token; the last one only with the server stopped")
            .needs(Needs::Role(Role::Admin)),
        Route::post("/v1/recovery", "recover", recovery::recover)
            .says("After the store was lost: what follows for each Rollout from what proxies run; done when all are confirmed")
            .needs(Needs::Role(Role::Admin))
            .takes(Takes::Json("RecoveryBody"))
            .gives(Gives::Json("Recovery"))
            .longest(RECOVERY_MAX),
        Route::get("/v1/audit", "getAudit", tokens::audit)
            .says("Who did what, newest first")
            .needs(Needs::Role(Role::Admin))
            .query(&[
                ("before", "integer", "Only entries with a smaller id: the `next` of the page before"),
                ("rollout", "string", "Only what was done to this one: namespace/name"),
                ("since", "integer", "Only from then on, milliseconds since 1970"),
                LIMIT,
            ])
            .gives(Gives::Json("Audit")),
    ]
}

fn about_itself() -> Vec<Route> {
    vec![
        Route::get("/metrics", "getMetrics", scrape::metrics)
            .says("Metrics for Prometheus")
            .gives(Gives::Text("application/openmetrics-text")),
        Route::get("/healthz", "isAlive", health::healthz)
            .says("The process answers")
            .needs(Needs::Nothing)
            .gives(Gives::Text("text/plain")),
        Route::get("/readyz", "isReady", health::readyz)
            .says("All Rollouts have contributed and xDS is served; 503 before, and when it is ending")
            .needs(Needs::Nothing)
            .gives(Gives::Text("text/plain")),
        Route::get("/openapi.json", "getOpenApi", openapi::serve).says("This document").needs(Needs::Nothing).gives(Gives::Json("OpenApi")),
    ]
}
