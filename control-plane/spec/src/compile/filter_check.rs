//! Compiles what the filter would get, so that a proxy never sees a policy that it would refuse.
//!
//! The filter's compiler stops at the first error; every part is tried alone first, so that all of them are told.

use shunt_filter_core::compile::Problem;
use shunt_filter_core::policy::{FORMAT, Flag, Goal, KeySource, Mirror, RoutingPolicy, Rule, ServicePolicy, Split, VersionPolicy};
use shunt_filter_core::{RolloutId, VersionName};

use crate::mesh_policy::MeshPolicySpec;
use crate::plan::{AbTestStep, MirrorStep, Plan, PlannedRule, Routing, Step, TestGoal};
use crate::problems::Problems;

/// What a part of the checked policy is called in the manifest.
#[derive(Debug, Default)]
struct Paths {
    key: String,
    rules: Vec<String>,
    mirror: String,
    goals: String,
}

/// Notes everything of a plan that a filter would refuse, at the field it comes from. `steps`: the field of each step.
pub(super) fn plan(plan: &Plan, overrides: usize, steps: &[String], problems: &mut Problems) {
    let empty = service(plan);
    let key = Paths { key: "spec.key".to_owned(), ..Paths::default() };
    attempt(ServicePolicy { key: plan.key.clone(), ..empty.clone() }, &key, problems);
    let rules = all_rules(plan, overrides, steps);
    for (path, rule) in &rules {
        let paths = Paths { rules: vec![path.clone()], ..Paths::default() };
        attempt(ServicePolicy { rules: vec![filter_rule(rule, &plan.release)], ..empty.clone() }, &paths, problems);
    }
    for (path, step) in steps.iter().zip(&plan.steps) {
        step_alone(step, path, &empty, problems);
    }
    if let (Routing::Flag { name, default }, true) = (&plan.routing, problems.is_empty()) {
        attempt_flag(plan, flag(plan, name, default), problems);
    }
    for together in together(plan, &rules, steps) {
        if problems.is_empty() {
            let paths = Paths { key: key.key.clone(), ..together.paths };
            let Together { rules, mirror, goals, .. } = together;
            attempt(ServicePolicy { key: plan.key.clone(), rules, mirror, goals, ..empty.clone() }, &paths, problems);
        }
    }
}

/// What may be in the policy at the same time.
#[derive(Default)]
struct Together {
    rules: Vec<Rule>,
    mirror: Option<Mirror>,
    goals: Vec<Goal>,
    paths: Paths,
}

/// All rules, with the copies of each step; and those with the cohort and goals of each A/B test.
fn together(plan: &Plan, rules: &[(String, &PlannedRule)], steps: &[String]) -> Vec<Together> {
    let base = || Together {
        rules: rules.iter().map(|(_, rule)| filter_rule(rule, &plan.release)).collect(),
        paths: Paths { rules: rules.iter().map(|(path, _)| path.clone()).collect(), ..Paths::default() },
        ..Together::default()
    };
    let mut all = vec![base()];
    let (mut mirror, mut mirror_path) = (None, "");
    for (path, step) in steps.iter().zip(&plan.steps) {
        let mut with = base();
        match step {
            Step::Mirror(copies) => (mirror, mirror_path) = (Some(filter_mirror(copies, &plan.release)), path),
            Step::AbTest(test) => {
                with.rules.extend(cohort(test, &plan.release));
                with.goals = test.goals.iter().map(TestGoal::policy).collect();
                with.paths.rules.push(path.clone());
                with.paths.goals = format!("{path}.goals");
            }
            _ => continue,
        }
        with.mirror.clone_from(&mirror);
        mirror_path.clone_into(&mut with.paths.mirror);
        all.push(with);
    }
    all
}

fn cohort(test: &AbTestStep, version: &VersionName) -> Option<Rule> {
    let rule = || Rule { name: "shunt-ab-test".to_owned(), matches: test.matches.clone(), split: Split::all(version.clone()) };
    (!test.matches.is_empty()).then(rule)
}

/// What a step brings to the policy beside its rule.
fn step_alone(step: &Step, path: &str, empty: &ServicePolicy, problems: &mut Problems) {
    match step {
        Step::Mirror(mirror) => {
            let paths = Paths { mirror: path.to_owned(), ..Paths::default() };
            attempt(ServicePolicy { mirror: Some(filter_mirror(mirror, &empty.stable)), ..empty.clone() }, &paths, problems);
        }
        Step::AbTest(test) => {
            let paths = Paths { rules: vec![path.to_owned()], ..Paths::default() };
            attempt(ServicePolicy { rules: cohort(test, &empty.stable).into_iter().collect(), ..empty.clone() }, &paths, problems);
            let paths = Paths { goals: format!("{path}.goals"), ..Paths::default() };
            attempt(ServicePolicy { goals: test.goals.iter().map(TestGoal::policy).collect(), ..empty.clone() }, &paths, problems);
        }
        Step::SetWeight(_)
        | Step::Pause(_)
        | Step::Rule(_)
        | Step::Analysis(_)
        | Step::Scale(_)
        | Step::Hold
        | Step::Experiment(_)
        | Step::Call(_)
        | Step::PointOfNoReturn
        | Step::Conclude => {}
    }
}

/// Notes everything of a mesh policy that a filter would refuse.
pub(crate) fn mesh(spec: &MeshPolicySpec, problems: &mut Problems) {
    let (Ok(id), Ok(version)) = (RolloutId::new("default", "trial"), "v1".parse::<VersionName>()) else {
        return;
    };
    let versions = vec![VersionPolicy { name: version.clone(), serving: true, clusters: Vec::new(), aggregate: false }];
    let empty = bare(id, vec!["trial.test".to_owned()], versions, version.clone());
    let key = Paths { key: "spec.defaults.key".to_owned(), ..Paths::default() };
    attempt(ServicePolicy { key: spec.defaults.key.clone().unwrap_or_default(), ..empty.clone() }, &key, problems);
    if let Some(attributes) = spec.defaults.cookie.clone() {
        let source = KeySource { cookie: Some("shunt-id".to_owned()), generate: Some(attributes), ..KeySource::default() };
        let paths = Paths { key: "spec.defaults.cookie".to_owned(), ..Paths::default() };
        attempt(ServicePolicy { key: vec![source], ..empty.clone() }, &paths, problems);
    }
    for (index, spec) in spec.overrides.iter().enumerate() {
        let Some(rule) = spec.rule() else { continue };
        let paths = Paths { rules: vec![format!("spec.overrides[{index}]")], ..Paths::default() };
        attempt(ServicePolicy { rules: vec![filter_rule(&rule, &version)], ..empty.clone() }, &paths, problems);
    }
}

fn attempt(service: ServicePolicy, paths: &Paths, problems: &mut Problems) {
    let policy = RoutingPolicy { format: FORMAT, generation: 0, report: None, signing: None, services: vec![service], flags: Vec::new() };
    if let Err(error) = shunt_filter_core::compile(policy, None) {
        let problem = match error.problem {
            Problem::RegexWork { work, fields } => {
                Problem::RegexWork { work, fields: fields.into_iter().map(|(field, work)| (paths.of(&field), work)).collect() }
            }
            other => other,
        };
        problems.add(paths.of(&error.field), problem);
    }
}

/// The flag's own parts; the rest was tried as a service's.
fn attempt_flag(plan: &Plan, flag: Flag, problems: &mut Problems) {
    let policy = RoutingPolicy { format: FORMAT, generation: 0, report: None, signing: None, services: Vec::new(), flags: vec![flag] };
    if let Err(error) = shunt_filter_core::compile(policy, None) {
        let field = error.field.strip_prefix("flags[0].").unwrap_or(&error.field);
        let of = |version: &crate::plan::Version| below(field, &format!("values.{}", version.name)).is_some();
        let path = match plan.versions.iter().position(of) {
            Some(index) => format!("spec.versions[{index}].value"),
            None if field == "name" || field == "default" => format!("spec.flag.{field}"),
            None if field == "values" => "spec.versions".to_owned(),
            None => "spec".to_owned(),
        };
        problems.add(path, error.problem);
    }
}

impl Paths {
    /// The manifest's path of a field of the policy.
    fn of(&self, field: &str) -> String {
        let field = field.strip_prefix("services[0].").unwrap_or(field);
        let mut parts = self.rules.iter().enumerate().map(|(index, path)| (format!("rules[{index}]"), path.as_str()));
        if let Some((rest, path)) = parts.find_map(|(part, path)| Some((below(field, &part)?, path))) {
            return format!("{path}{rest}");
        }
        if let Some(rest) = below(field, "mirror") {
            return format!("{}{rest}", self.mirror);
        }
        if let Some(rest) = below(field, "goals") {
            return format!("{}{rest}", self.goals);
        }
        if let Some(rest) = below(field, "key") {
            // Attributes of the mesh policy stand alone there, not in a chain.
            let rest = if self.key.ends_with(".cookie") { rest.strip_prefix("[0].generate").unwrap_or(rest) } else { rest };
            return format!("{}{rest}", self.key);
        }
        match field.strip_suffix(".clusters[0]") {
            Some(version) => format!("spec.{version}.cluster"),
            None if below(field, "hosts").is_some() || field == "port" => format!("spec.service.{field}"),
            None if field == "rules" => "spec.rules".to_owned(),
            None => "spec".to_owned(),
        }
    }
}

/// What follows `part` in a path that starts with it.
fn below<'f>(field: &'f str, part: &str) -> Option<&'f str> {
    field.strip_prefix(part).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Long-lived rules and those of steps, each with its path; the first `overrides` are the mesh policy's.
pub(super) fn all_rules<'p>(plan: &'p Plan, overrides: usize, steps: &[String]) -> Vec<(String, &'p PlannedRule)> {
    let lasting = plan.rules.iter().enumerate().map(|(index, rule)| match index.checked_sub(overrides) {
        Some(own) => (format!("spec.rules[{own}]"), rule),
        None => ("spec.rules".to_owned(), rule),
    });
    let steps = steps.iter().zip(&plan.steps).filter_map(|(path, step)| match step {
        Step::Rule(rule) => Some((path.clone(), rule)),
        _ => None,
    });
    lasting.chain(steps).collect()
}

fn filter_rule(rule: &PlannedRule, stable: &VersionName) -> Rule {
    let version = rule.version.clone().unwrap_or_else(|| stable.clone());
    Rule { name: rule.name.clone(), matches: rule.matches.clone(), split: Split::all(version) }
}

fn filter_mirror(mirror: &MirrorStep, version: &VersionName) -> Mirror {
    Mirror {
        split: Split::all(version.clone()),
        matches: mirror.matches.clone(),
        unsafe_methods: mirror.unsafe_methods,
        max_body_bytes: mirror.max_body_bytes,
    }
}

/// The plan's service with nothing to decide.
fn service(plan: &Plan) -> ServicePolicy {
    let version = |version: &crate::plan::Version| VersionPolicy {
        name: version.name.clone(),
        serving: true,
        clusters: version.backend.cluster().cloned().into_iter().collect(),
        aggregate: false,
    };
    let mut service = bare(plan.id.clone(), plan.hosts.clone(), plan.versions.iter().map(version).collect(), plan.release.clone());
    service.port = plan.port;
    service.keyless = plan.keyless;
    service
}

/// The plan's flag with nothing to decide.
fn flag(plan: &Plan, name: &str, default: &VersionName) -> Flag {
    let value = |version: &crate::plan::Version| Some((version.name.clone(), version.backend.value()?.clone()));
    Flag {
        name: name.to_owned(),
        rollout: plan.id.clone(),
        hosts: plan.hosts.clone(),
        short_hosts: Vec::new(),
        port: plan.port,
        epoch: 0,
        analysis: false,
        key: plan.key.clone(),
        keyless: plan.keyless,
        values: plan.versions.iter().filter_map(value).collect(),
        stable: plan.release.clone(),
        default: default.clone(),
        rules: Vec::new(),
        split: Split::default(),
        counted_rule: None,
        latency: None,
        responses: None,
        hang_after_ms: None,
        tolerance: None,
        goals: Vec::new(),
    }
}

fn bare(name: RolloutId, hosts: Vec<String>, versions: Vec<VersionPolicy>, stable: VersionName) -> ServicePolicy {
    ServicePolicy {
        name,
        hosts,
        short_hosts: Vec::new(),
        port: None,
        epoch: 0,
        stable,
        default_route: None,
        versions,
        key: Vec::new(),
        keyless: shunt_filter_core::policy::Keyless::default(),
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
    }
}
