//! Who routes: Shunt, the user's own Envoy, or no proxy (the versions are values of a flag); and what only makes sense for one of them.

use super::Compiler;
use crate::plan::{HealthCheck, Protocol, Routing, Timeouts, Version};
use crate::rollout::Owner;
use crate::rollout::rule::unknown_version;
use crate::time::Span;
use shunt_filter_core::VersionName;

impl Compiler<'_> {
    pub(super) fn routing(&mut self, versions: &[Version]) -> Option<Routing> {
        let owner = Owner::of(versions);
        let named = self.spec.service.as_ref().and_then(|service| service.default_route.clone());
        match (&self.spec.flag, owner) {
            (Some(flag), Owner::Flag) => {
                if named.is_some() {
                    self.problems.add(DEFAULT_ROUTE, "has no meaning for a feature flag, which routes nothing: remove it");
                }
                let (name, default) = flag.check(versions, &mut self.problems)?;
                Some(Routing::Flag { name, default })
            }
            (Some(_), Owner::Shunt | Owner::User) => {
                // With a broken list of versions nothing can be said about what is in it.
                if !self.problems.within("spec.versions") {
                    self.problems.add("spec.flag", "is for versions that are values: write for example versions: [{name: disabled, value: false}, {name: enabled, value: true}], or remove it");
                }
                None
            }
            (None, Owner::Flag) => {
                self.problems.add(
                    "spec.flag",
                    "is missing: versions are values, so write the flag that they are values of, for example flag: {name: new-checkout}",
                );
                None
            }
            (None, Owner::Shunt | Owner::User) => self.routes(owner, named, versions),
        }
    }

    fn routes(&mut self, owner: Owner, named: Option<VersionName>, versions: &[Version]) -> Option<Routing> {
        match (owner == Owner::User, named) {
            (false, None) => Some(Routing::Managed),
            (false, Some(_)) => {
                self.problems
                    .add(DEFAULT_ROUTE, "is for versions with cluster: Shunt owns the default route of versions with endpoints; remove it");
                None
            }
            (true, None) => {
                self.problems.add(
                    DEFAULT_ROUTE,
                    "is missing: versions are clusters of your own Envoy, so write the version that your default route names",
                );
                None
            }
            (true, Some(version)) if versions.iter().all(|known| known.name != version) => {
                self.problems.add(DEFAULT_ROUTE, unknown_version(&version, versions));
                None
            }
            (true, Some(default_route)) => Some(Routing::External { default_route }),
        }
    }

    pub(super) fn health(&mut self, owner: Owner) -> Option<HealthCheck> {
        match (&self.spec.health, &self.defaults.health) {
            (Some(health), _) => match owner.refuses("clusters", "health checks on your own Envoy's clusters") {
                Some(why) => {
                    self.problems.add("spec.health", why);
                    None
                }
                None => health.check("spec.health", &mut self.problems),
            },
            (None, Some(health)) if owner == Owner::Shunt => {
                self.settle.mesh_says("spec.health", "spec.defaults.health");
                health.check("spec.health", &mut self.problems)
            }
            (None, _) => None,
        }
    }

    pub(super) fn protocol(&mut self, owner: Owner) -> Protocol {
        let protocol = self.spec.service.as_ref().and_then(|service| service.protocol);
        if let Some(why) = owner.refuses("clusters", "the protocol on your own Envoy's clusters").filter(|_| protocol.is_some()) {
            self.problems.add("spec.service.protocol", why);
        }
        protocol.unwrap_or_default()
    }

    pub(super) fn timeout(&mut self, owner: Owner) -> Option<Span> {
        let timeout = self.spec.timeout?;
        if let Some(why) = owner.refuses("routes", "the timeout on your own Envoy's routes") {
            self.problems.add("spec.timeout", why);
        }
        if !(Span::millis(1)..=TIMEOUT_MAX).contains(&timeout) {
            self.problems.add("spec.timeout", format!("{timeout} is not possible: write 1ms to {TIMEOUT_MAX}, or leave it out for 15s"));
        }
        Some(timeout)
    }

    pub(super) fn timeouts(&mut self, owner: Owner) -> Timeouts {
        let Some(written) = self.spec.service.as_ref().and_then(|service| service.timeouts) else { return Timeouts::default() };
        if let Some(why) = owner.refuses("routes", "idle_timeout and max_stream_duration on your own Envoy's routes") {
            self.problems.add("spec.service.timeouts", why);
        }
        written.timeouts(&mut self.problems)
    }
}

/// Longer than any event stream or download that a proxy outlives.
const TIMEOUT_MAX: Span = Span::seconds(30 * 86_400);

const DEFAULT_ROUTE: &str = "spec.service.defaultRoute";
