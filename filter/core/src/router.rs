//! The compiled policy: from a request's authority to its [`Site`].

use crate::flag::CompiledFlag;
use crate::hosts::Hosts;
use crate::policy::ReportPolicy;
pub use crate::service::{Service, Version};
use crate::site::{CompiledSite, Site};

/// What [`crate::compile()`] makes of a [`crate::RoutingPolicy`]: everything checked, looked up and laid out.
#[derive(Debug, Clone)]
pub struct Router {
    pub(crate) generation: u64,
    pub(crate) report: Option<ReportPolicy>,
    pub(crate) services: Vec<Service>,
    pub(crate) flags: Vec<CompiledFlag>,
    pub(crate) sites: Vec<CompiledSite>,
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

    /// All flags, in order of the policy.
    pub fn flags(&self) -> &[CompiledFlag] {
        &self.flags
    }

    /// What is decided for an authority (`:authority` or `host`); none: nothing. Exact hosts win over wildcards, longer wildcards
    /// over shorter ones, and on one host an entry with the port wins over one without; the service and each name of a flag by
    /// itself. Takes the same time however many services there are.
    pub fn site(&self, authority: &str) -> Option<Site<'_>> {
        let site = self.sites.get(self.hosts.find(authority)?)?;
        Some(Site { router: self, site })
    }

    /// As [`Router::site`]; bytes that are not UTF-8 are no host.
    pub fn site_bytes(&self, authority: &[u8]) -> Option<Site<'_>> {
        self.site(std::str::from_utf8(authority).ok()?)
    }

    /// The service of [`Router::site`].
    pub fn lookup(&self, authority: &str) -> Option<&Service> {
        self.site(authority)?.service()
    }
}
