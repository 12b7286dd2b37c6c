//! The compiled policy: from a request's authority to its [`Service`].

use crate::hosts::Hosts;
use crate::policy::ReportPolicy;
pub use crate::service::{Service, Version};

/// What [`crate::compile()`] makes of a [`crate::RoutingPolicy`]: everything checked, looked up and laid out.
#[derive(Debug, Clone)]
pub struct Router {
    pub(crate) generation: u64,
    pub(crate) report: Option<ReportPolicy>,
    pub(crate) services: Vec<Service>,
    pub(crate) hosts: Hosts,
}

impl Router {
    /// The policy's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where and how often to report.
    pub fn report(&self) -> Option<&ReportPolicy> {
        self.report.as_ref()
    }

    /// All services, in order of the policy.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service that an authority (`:authority` or `host`) means; none: not ours. Exact hosts win over wildcards, longer
    /// wildcards over shorter ones, and on one host an entry with the port wins over one without. Takes the same time however many
    /// services there are.
    pub fn lookup(&self, authority: &str) -> Option<&Service> {
        self.services.get(self.hosts.find(authority)?)
    }

    /// Where the service of [`Router::lookup`] stands in [`Router::services`]; for callers that keep something per service.
    pub fn position(&self, authority: &[u8]) -> Option<usize> {
        self.hosts.find(std::str::from_utf8(authority).ok()?)
    }

    /// As [`Router::lookup`]; bytes that are not UTF-8 are no host.
    pub fn lookup_bytes(&self, authority: &[u8]) -> Option<&Service> {
        self.lookup(std::str::from_utf8(authority).ok()?)
    }
}
