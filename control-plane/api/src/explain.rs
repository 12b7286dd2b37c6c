//! Where would this request go, and why? The code that decides in the proxy decides here, on the policy last published.

mod chance;
mod notes;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::decision::FlagDecision;
use shunt_filter_core::policy::{FORMAT, Keyless, Split, VersionPolicy};
use shunt_filter_core::{Reason, Request, RolloutId, Router, RoutingPolicy, Service, ServicePolicy, VersionName};
use shunt_spec::plan::Routing;
use shunt_spec::schema::filter;

use crate::app::{App, RolloutNow};
use crate::body::Body;
use crate::problem::Problem;

/// `POST /v1/explain`: a request as a client would send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// `GET` when nothing is said.
    #[serde(default = "get")]
    pub method: String,
    /// `:authority` or `host`, with its port if it has one.
    pub host: String,
    /// With the query; `/` when nothing is said.
    #[serde(default = "root")]
    pub path: String,
    /// Name and value, in order; a name may come several times.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The caller's namespace, for short host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

/// Where it would go, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Generation of the policy it was decided with.
    pub generation: u64,
    /// Whose host it is; none: it belongs to no Rollout, the filter passes such requests on as they are.
    #[schemars(with = "Option<filter::RolloutId>")]
    pub rollout: Option<RolloutId>,
    /// Who answers; none as above, or when it is left to chance.
    #[schemars(with = "Option<filter::VersionName>")]
    pub version: Option<VersionName>,
    /// When it is left to chance (no key yet): who answers how often, most often first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chances: Vec<Chance>,
    /// Why, as a sentence.
    pub reason: String,
    /// The value of `x-shunt-route` that the filter writes; none: it leaves the header out.
    pub route: Option<String>,
    /// Who gets a copy.
    #[schemars(with = "Option<filter::VersionName>")]
    pub mirror: Option<VersionName>,
    /// `set-cookie` on the response, when an id is generated.
    pub set_cookie: Option<String>,
    /// Decided flags, in order of the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<FlagExplanation>,
    /// What else the reader should know: rules that fall through, where values came from, chance, headers that never count.
    pub notes: Vec<String>,
}

/// One version among several that may answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chance {
    /// Who.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// How often, percent.
    pub percent: f64,
}

/// One decided flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagExplanation {
    /// Its name in `x-shunt-flags`.
    pub name: String,
    /// The version whose value it gets.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// Why, as a sentence.
    pub reason: String,
}

/// `POST /v1/explain`
pub(crate) async fn explain(State(app): State<App>, Body(question): Body<Question>) -> Result<Json<Explanation>, Problem> {
    let policy = app.policy.borrow().clone();
    let rollouts = app.rollouts.borrow().clone();
    Ok(Json(explain_request(&policy, &rollouts, &question)?))
}

/// The decision on this policy. `rollouts` (none offline) tell what the policy does not say: who has a host without anything to
/// decide, which rules are withheld, and where values came from. Errors when the policy does not compile.
pub fn explain_request(policy: &RoutingPolicy, rollouts: &[Arc<RolloutNow>], question: &Question) -> Result<Explanation, Problem> {
    let router = compile(policy, question)?;
    let request = request(question);
    let site = router.site(&question.host);
    let mut explanation = match site.and_then(|site| site.service()) {
        Some(service) => decided(service, raw(policy, service.name()), &request),
        None => undecided(rollouts, question)?,
    };
    if let Some(site) = site {
        let decisions = site.decide(&request);
        explanation.set_cookie = decisions.generated().first().map(|generated| generated.set_cookie.clone());
        explanation.flags = decisions.flags.iter().map(flag).collect();
    }
    explanation.generation = policy.generation;
    let now = explanation.rollout.as_ref().and_then(|id| rollouts.iter().find(|now| now.plan.id == *id));
    explanation.notes.extend(notes::on_request(&request));
    if let Some(now) = now {
        explanation.notes.extend(notes::on_rollout(now));
    }
    Ok(explanation)
}

fn compile(policy: &RoutingPolicy, question: &Question) -> Result<Router, Problem> {
    shunt_filter_core::compile(policy.clone(), question.namespace.as_deref()).map_err(|error| Problem::Policy(error.to_string()))
}

fn raw<'p>(policy: &'p RoutingPolicy, name: &RolloutId) -> Option<&'p ServicePolicy> {
    policy.services.iter().find(|service| service.name == *name)
}

/// As the filter reads it. Without randomness: what would be left to chance is said in a note.
fn request(question: &Question) -> Request {
    let pseudo = [(":method", &question.method), (":authority", &question.host), (":path", &question.path)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.clone().into_bytes()));
    let named = question.headers.iter().map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
    let headers: Vec<(String, Vec<u8>)> = pseudo.chain(named).collect();
    let id = headers.iter().find(|(name, _)| name == "x-request-id").map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let body = headers.iter().any(|(name, value)| name == "transfer-encoding" || (name == "content-length" && value != b"0"));
    Request {
        method: question.method.clone(),
        path: question.path.clone(),
        headers,
        request_id: id.unwrap_or_default(),
        end_of_stream: !body,
        entropy: [0, 0],
    }
}

fn decided(service: &Service, raw: Option<&ServicePolicy>, request: &Request) -> Explanation {
    let decision = service.decide(request);
    let chances = chance::of(service, raw, request);
    let mut explanation =
        Explanation { rollout: Some(service.name().clone()), reason: decision.reason.to_string(), ..Explanation::default() };
    match chances.answering.as_slice() {
        [] => {
            explanation.version = (!matches!(decision.reason, Reason::Shadow)).then(|| decision.version.clone());
            explanation.route = decision.route.map(str::to_owned);
        }
        _ => explanation.reason = "the request brings no key of its own, so its version is a matter of chance".to_owned(),
    }
    match chances.copied.as_slice() {
        [] => explanation.mirror = decision.mirror.cloned(),
        copied => explanation.notes.extend(copied.iter().map(|copy| {
            format!("{} % of such requests are copied to {}, by chance: it hangs on x-request-id", copy.percent, copy.version)
        })),
    }
    explanation.chances = chances.answering;
    explanation
}

fn flag(flag: &FlagDecision<'_>) -> FlagExplanation {
    let reason = match &flag.generated {
        Some(generated) if generated.is_new() => "the request brings no key of its own, so its value is a matter of chance".to_owned(),
        Some(_) | None => flag.reason.to_string(),
    };
    FlagExplanation { name: flag.name.to_owned(), version: flag.version.clone(), reason }
}

/// A host that the policy does not name: of a Rollout with nothing to decide, or of no Rollout.
fn undecided(rollouts: &[Arc<RolloutNow>], question: &Question) -> Result<Explanation, Problem> {
    let mut explanation = Explanation::default();
    match with_host(rollouts, question)? {
        Some(now) => {
            let (id, stable) = (now.plan.id.clone(), now.state.stable.clone());
            explanation.reason = format!("{id} has nothing to decide now, so it is not in the policy: the default route names {stable}");
            explanation.rollout = Some(id);
            explanation.version = Some(stable);
        }
        None => {
            let host = &question.host;
            explanation.reason =
                format!("no Rollout has the host {host}: the filter passes the request on as it is, without its route header");
        }
    }
    Ok(explanation)
}

/// Finds it the way the filter would: as if each Rollout had something to decide.
fn with_host<'n>(rollouts: &'n [Arc<RolloutNow>], question: &Question) -> Result<Option<&'n RolloutNow>, Problem> {
    for now in rollouts.iter().filter(|now| !matches!(now.plan.routing, Routing::Flag { .. })) {
        let stable = VersionPolicy { name: now.state.stable.clone(), serving: true, clusters: Vec::new(), aggregate: false };
        let service = ServicePolicy {
            name: now.plan.id.clone(),
            hosts: now.plan.hosts.clone(),
            short_hosts: Vec::new(),
            port: now.plan.port,
            epoch: 0,
            stable: stable.name.clone(),
            default_route: None,
            versions: vec![stable],
            key: Vec::new(),
            keyless: Keyless::default(),
            rules: Vec::new(),
            split: Split::default(),
            mirror: None,
            analysis: false,
            counted_rule: None,
            latency: None,
            responses: None,
            hang_after_ms: None,
            tolerance: None,
            goals: Vec::new(),
        };
        let alone =
            RoutingPolicy { format: FORMAT, generation: 0, report: None, signing: None, services: vec![service], flags: Vec::new() };
        if compile(&alone, question)?.lookup(&question.host).is_some() {
            return Ok(Some(now));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn policy(service: &Value) -> RoutingPolicy {
        let mut whole = json!({
            "name": "shop/checkout", "hosts": ["shop.test"], "stable": "v1",
            "versions": [{"name": "v1"}, {"name": "v2"}],
        });
        whole.as_object_mut().unwrap().extend(service.as_object().unwrap().clone());
        serde_json::from_value(json!({"format": FORMAT, "services": [whole]})).unwrap()
    }

    fn ask(service: &Value, question: &Value) -> Explanation {
        let mut whole = json!({"host": "shop.test"});
        whole.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
        explain_request(&policy(service), &[], &serde_json::from_value(whole).unwrap()).unwrap()
    }

    #[test]
    fn copies_are_chance_until_the_request_id_is_known() {
        let mirror = json!({"mirror": {"split": {"salt": "m", "weights": {"v2": 30}}}});
        let open = ask(&mirror, &json!({}));
        assert_eq!((open.version.unwrap().as_str(), open.mirror), ("v1", None));
        assert!(open.notes.iter().any(|note| note.contains("are copied to v2")), "{:?}", open.notes);
        let copies = (0..100).filter(|n| {
            let known = ask(&mirror, &json!({"headers": [["x-request-id", format!("r{n}")]]}));
            assert!(known.notes.is_empty(), "{:?}", known.notes);
            known.mirror.is_some()
        });
        // Binomial with 100 tries at 30 %: outside this with a probability below 1e-5.
        assert!((11..=51).contains(&copies.count()));
    }

    #[test]
    fn chance_through_rules_is_measured() {
        let rules = json!({
            "rules": [{"name": "half", "match": [{"path": {"prefix": "/new"}}], "split": {"salt": "r", "weights": {"v2": 50}}}],
            "split": {"salt": "s", "weights": {"v2": 10}},
        });
        let answer = ask(&rules, &json!({"path": "/new/cart"}));
        let share = |name: &str| answer.chances.iter().find(|chance| chance.version.as_str() == name).unwrap().percent;
        // Half by the rule, a tenth of the rest by the split.
        assert!((share("v2") - 55.0).abs() < 2.5 && (share("v1") + share("v2") - 100.0).abs() < 0.2, "{:?}", answer.chances);
    }

    #[test]
    fn a_policy_that_no_filter_takes_is_a_problem() {
        let broken = policy(&json!({"stable": "v9"}));
        let question = serde_json::from_value(json!({"host": "shop.test"})).unwrap();
        let problem = explain_request(&broken, &[], &question).unwrap_err();
        assert!(problem.to_string().contains("services[0].stable"), "{problem}");
    }
}
