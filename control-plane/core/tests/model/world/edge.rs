//! A proxy.

use shunt_core::desired::{Desired, Routes};
use shunt_filter_core::ServicePolicy;
use shunt_filter_core::policy::Flag;
use shunt_spec::time::Time;

/// A proxy: what it runs, since when, and what of it keeps up with what is published.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) name: String,
    pub(crate) takes_policy: bool,
    pub(crate) takes_routes: bool,
    /// Has not reported for a while: it proves nothing, and may still have what it had.
    pub(crate) silent: bool,
    service: Option<(Part, Time)>,
    routes: Option<(Option<Routes>, Time)>,
}

/// What a Rollout has in the policy.
type Part = (Option<ServicePolicy>, Option<Flag>);

fn part(wanted: &Desired) -> Part {
    (wanted.service.clone(), wanted.flag.clone())
}

impl Edge {
    pub(crate) fn new(name: String) -> Self {
        Self { name, takes_policy: true, takes_routes: true, silent: false, service: None, routes: None }
    }

    pub(super) fn take(&mut self, wanted: &Desired, now: Time) {
        if self.silent {
            return;
        }
        if self.takes_policy && self.service.as_ref().is_none_or(|(known, _)| *known != part(wanted)) {
            self.service = Some((part(wanted), now));
        }
        if self.takes_routes && self.routes.as_ref().is_none_or(|(routes, _)| *routes != wanted.routes) {
            self.routes = Some((wanted.routes.clone(), now));
        }
    }

    pub(super) fn has_service(&self, wanted: &Desired) -> Option<Time> {
        self.service.as_ref().filter(|(known, _)| *known == part(wanted)).map(|(_, at)| *at)
    }

    pub(super) fn has_routes(&self, wanted: &Desired) -> Option<Time> {
        self.routes.as_ref().filter(|(routes, _)| *routes == wanted.routes).map(|(_, at)| *at)
    }
}
