//! A Rollout under the mesh policy -> [`Plan`]: defaults filled in, limits kept, everything checked.

mod deadlines;
pub(crate) mod filter_check;
mod key;
mod routing;
mod underscores;
mod ways_back;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::mesh_policy::{Bound, Defaults, Limits, MeshPolicy, Prohibition, Settle};
use crate::plan::{AnalysisPlan, Plan, PlannedRule, Progress, Version, first_weight};
use crate::problems::{FieldError, Problems};
use crate::rollout::analysis::{AnalysisSpec, Around, OfStep, Samples, Templates, default_metrics};
use crate::rollout::calls::{Whose, insert_gates};
use crate::rollout::hooks::around;
use crate::rollout::notifications::notifications;
use crate::rollout::rule::{RuleNames, unknown_version};
use crate::rollout::strategy::{self, Placed, Terms};
use crate::rollout::version::versions;
use crate::rollout::{Owner, Rollout, RolloutSpec, StrategySpec};
use shunt_filter_core::{VersionName, Weight};

/// Requests of the candidate in a step before a pass is possible, when no manifest says it.
const MIN_SAMPLES: u64 = 100;

/// Everything under way of one compilation.
struct Compiler<'a> {
    rollout: &'a Rollout,
    spec: &'a RolloutSpec,
    mesh: Option<&'a MeshPolicy>,
    templates: &'a Templates,
    namespace: &'a str,
    defaults: Defaults,
    limits: Limits,
    settle: Settle<'a>,
    names: RuleNames,
    problems: Problems,
}

/// What a Rollout is compiled with, beside what it says itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The mesh policy, when there is one.
    pub mesh: Option<&'a MeshPolicy>,
    /// All templates of analyses that there are.
    pub templates: &'a Templates,
}

/// No mesh policy, and the built-in templates only.
impl Default for Context<'_> {
    fn default() -> Self {
        static BUILT_IN: Templates = Templates::none();
        Self { mesh: None, templates: &BUILT_IN }
    }
}

/// The plan of a Rollout, or all that is wrong with it, in the order found. The plan makes a policy that a filter accepts.
pub fn compile(rollout: &Rollout, context: &Context<'_>) -> Result<Plan, Vec<FieldError>> {
    let mesh = context.mesh;
    let (defaults, limits) = mesh.map(|mesh| (mesh.spec.defaults.clone(), mesh.spec.limits.clone())).unwrap_or_default();
    let mut compiler = Compiler {
        rollout,
        spec: &rollout.spec,
        mesh,
        templates: context.templates,
        namespace: rollout.id.namespace(),
        defaults,
        limits,
        settle: Settle::new(mesh),
        names: RuleNames::new(),
        problems: Problems::new(),
    };
    let plan = compiler.plan();
    match plan {
        Some(plan) if compiler.problems.is_empty() => Ok(plan),
        _ => Err(compiler.problems.into_found()),
    }
}

impl Compiler<'_> {
    fn plan(&mut self) -> Option<Plan> {
        let rollout = self.rollout;
        let versions = versions(self.spec.versions.as_deref(), &mut self.problems);
        let hosts = self.hosts();
        let routing = self.routing(&versions);
        let release = self.release(&versions);
        let rules = self.rules(&versions);
        let terms = self.terms(&versions, release.as_ref(), self.most_exposed());
        let placed = self.steps(&terms);
        let around = around(self.spec.gates.as_ref(), self.spec.hooks.as_ref(), &mut self.names, &mut self.problems);
        let notifications = notifications(self.spec.notifications.as_deref(), &mut self.names, &mut self.problems);
        let steps = insert_gates(placed.iter().map(|placed| placed.step.clone()).collect(), &around.places, instances(&versions));
        let along = strategy::along(&steps, &placed);
        let paths: Vec<String> = along.iter().map(|placed| strategy::path(*placed)).collect();
        let strategy = self.spec.strategy.as_ref().map(StrategySpec::strategy).unwrap_or_default();
        let keep_old = self.keep_old(Some(strategy).filter(|strategy| strategy::stops_old(*strategy, &terms)));
        let deadlines = self.deadlines(&versions);
        let owner = Owner::of(&versions);
        let (health, timeout, timeouts, protocol) = (self.health(owner), self.timeout(owner), self.timeouts(owner), self.protocol(owner));
        let mut plan = Plan {
            id: rollout.id.clone(),
            digest: String::new(),
            hosts,
            port: self.spec.service.as_ref().and_then(|service| service.port),
            health,
            timeout,
            timeouts,
            routing: routing?,
            versions,
            release: release?,
            key: self.key(),
            keyless: self.keyless(),
            rules,
            strategy,
            steps,
            abort_over: self.abort_over(),
            rollback_window: self.spec.rollback_window.unwrap_or_default(),
            windows: self.windows(),
            rollback_call: around.rollback,
            hooks: around.hooks,
            notifications,
            analysis: self.analysis(owner, &along),
            max_exposed: Weight::ALL,
            keep_old,
            progress_deadline: deadlines.progress,
            held_deadline: deadlines.held,
            drain_deadline: deadlines.drain,
            fallback_deadline: deadlines.fallback,
            gone: false,
            protocol,
            sources: BTreeMap::new(),
        };
        plan.max_exposed = self.max_exposed(&plan);
        plan.sources = std::mem::take(&mut self.settle.sources);
        if self.problems.is_empty() {
            strategy::mirrors_judged(&plan, &paths, &mut self.problems);
        }
        self.programs();
        let overrides = self.mesh.map_or(0, |mesh| mesh.spec.overrides.len());
        if self.problems.is_empty() {
            filter_check::plan(&plan, overrides, &paths, &mut self.problems);
        }
        if owner == Owner::Shunt {
            underscores::check(&plan, overrides, &paths, &mut self.problems);
        }
        plan.digest = digest(rollout, self.mesh, &plan);
        Some(plan)
    }

    /// Wherever the manifest came from.
    fn programs(&mut self) {
        let Some(why) = self.mesh.and_then(|mesh| mesh.forbids(Prohibition::Command)) else { return };
        for path in self.rollout.programs() {
            self.problems.add(
                path,
                format!("starts a program, which is forbidden by {why}: start it elsewhere, and write endpoints, register or a webhook"),
            );
        }
    }

    fn hosts(&mut self) -> Vec<String> {
        match &self.spec.service {
            Some(service) => {
                let mut hosts = service.hosts(&mut self.problems);
                let preview = self
                    .spec
                    .strategy
                    .as_ref()
                    .and_then(StrategySpec::preview_host)
                    .and_then(|written| strategy::preview_host(written).ok());
                hosts.extend(preview.filter(|host| !hosts.contains(host)));
                hosts
            }
            None => {
                self.problems.add("spec.service", "is missing: write for example service: {hosts: [checkout], port: 80}");
                Vec::new()
            }
        }
    }

    fn release(&mut self, versions: &[Version]) -> Option<VersionName> {
        match &self.spec.release {
            None => {
                self.problems.add("spec.release", "is missing: write the name of the version that should be stable");
                None
            }
            // With a broken list of versions nothing can be said about what is in it.
            Some(release) if !self.problems.within("spec.versions") && versions.iter().all(|known| known.name != *release) => {
                self.problems.add("spec.release", unknown_version(release, versions));
                None
            }
            Some(release) => Some(release.clone()),
        }
    }

    /// Overrides of the mesh come first.
    fn rules(&mut self, versions: &[Version]) -> Vec<PlannedRule> {
        let mut rules = Vec::new();
        for (index, rule) in self.mesh.iter().flat_map(|mesh| &mesh.spec.overrides).filter_map(|spec| spec.rule()).enumerate() {
            let path = format!("MeshPolicy spec.overrides[{index}]");
            self.settle.mesh_says(&format!("rules[{index}]"), &format!("spec.overrides[{index}]"));
            self.names.insert(rule.name.clone(), path);
            rules.push(rule);
        }
        for (index, spec) in self.spec.rules.iter().flatten().enumerate() {
            let path = format!("spec.rules[{index}]");
            rules.extend(spec.rule(&path, versions, &mut self.names, &mut self.problems));
        }
        rules
    }

    fn steps(&mut self, terms: &Terms<'_>) -> Vec<Placed> {
        match &self.spec.strategy {
            Some(spec) if spec.canary.as_ref().is_some_and(|canary| canary.steps.is_none()) => {
                self.settle.built_in("spec.strategy.canary.steps");
            }
            Some(_) => {}
            None => self.settle.built_in("spec.strategy"),
        }
        strategy::steps(self.spec.strategy.as_ref(), terms, &mut self.names, &mut self.problems)
    }

    fn terms<'t>(&self, versions: &'t [Version], release: Option<&'t VersionName>, max_exposed: Weight) -> Terms<'t> {
        let forbids = |what| self.mesh.and_then(|mesh| mesh.forbids(what));
        Terms {
            max_exposed,
            owner: Owner::of(versions),
            versions,
            release,
            no_mirror: forbids(Prohibition::Mirror),
            no_unsafe_methods: forbids(Prohibition::UnsafeMethods),
            no_jump: forbids(Prohibition::JumpToAll),
        }
    }

    fn analysis(&mut self, owner: Owner, steps: &[Option<&Placed>]) -> AnalysisPlan {
        let path = "spec.analysis";
        let floor = self.limits.min_samples;
        let default = self.defaults.min_samples.unwrap_or(MIN_SAMPLES);
        let samples = Samples { default: floor.map_or(default, |floor| default.max(floor)), floor };
        let around = Around { templates: self.templates, namespace: self.namespace, ..Around::of(owner) };
        let mut plan = match &self.spec.analysis {
            Some(analysis) => analysis.plan(path, &samples, &around, &mut self.problems),
            None => {
                self.settle.built_in(path);
                AnalysisPlan { metrics: default_metrics(&samples, None), external_metrics: Vec::new() }
            }
        };
        for (step, placed) in steps.iter().enumerate() {
            let Some((placed, own)) = placed.and_then(|placed| Some((placed, placed.own.as_ref()?))) else { continue };
            let of_step = OfStep { path: &placed.path, step, metrics: own.metrics.as_deref(), templates: own.templates.as_deref() };
            of_step.add(&mut plan, &around, &mut self.problems);
        }
        if !self.spec.analysis.as_ref().is_some_and(AnalysisSpec::says_all_samples) {
            let path = "spec.analysis.metrics.minSamples";
            match (floor.filter(|floor| *floor > default), self.defaults.min_samples) {
                (Some(_), _) => self.settle.mesh_says(path, "spec.limits.minSamples"),
                (None, Some(_)) => self.settle.mesh_says(path, "spec.defaults.minSamples"),
                (None, None) => self.settle.built_in(path),
            }
        }
        plan
    }

    /// The most that the first weight may be: what is said, or what the mesh policy allows.
    fn most_exposed(&self) -> Weight {
        let allowed = self.limits.max_exposed.unwrap_or(Weight::ALL);
        self.spec.max_exposed.unwrap_or_else(|| self.defaults.max_exposed.unwrap_or(Weight::ALL).min(allowed))
    }

    /// Where no manifest says it, a release that needs a pass keeps to its first weight.
    fn max_exposed(&mut self, plan: &Plan) -> Weight {
        if self.spec.max_exposed == Some(Weight::ZERO) {
            self.problems.add("spec.maxExposed", "0 lets no user see the candidate, so no analysis could pass: write more than 0");
        }
        let built_in = match plan.progress() {
            Progress::Pass => first_weight(&plan.steps),
            Progress::Readiness => Weight::ALL,
        };
        let bounds = [Bound::AtMost(self.limits.max_exposed, "spec.limits.maxExposed")];
        let values = [self.spec.max_exposed, self.defaults.max_exposed];
        self.settle.bounded("maxExposed", values, built_in, &bounds, &mut self.problems)
    }
}

/// Whether the candidate's instances are ours to start, so that they can wait for gates and hooks.
fn instances(versions: &[Version]) -> Whose {
    let ours = versions.iter().any(|version| version.backend.scales());
    if ours { Whose::Ours } else { Whose::Theirs }
}

/// Over everything that the plan depends on. `serde_json` writes fields in the order of the types, so equal manifests give equal
/// text whatever their own order, quotes and comments.
fn digest(rollout: &Rollout, mesh: Option<&MeshPolicy>, plan: &Plan) -> String {
    let canonical = serde_json::to_string(&(&rollout.id, &rollout.spec, mesh.map(|mesh| &mesh.spec), plan)).unwrap_or_default();
    let hash = Sha256::digest(canonical.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
