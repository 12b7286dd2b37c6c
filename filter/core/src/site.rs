//! What is decided at a host: the service that it belongs to, and the flags that its requests get.

use crate::decide::is_shadow;
use crate::decision::{Decisions, FlagsHeader};
use crate::fields::{Fields, Places, Seen, Values};
use crate::flag::{self, CompiledFlag};
use crate::names::{FLAGS_HEADER, SHADOW_HEADER};
use crate::request::{Needs, Request};
use crate::router::Router;
use crate::service::Service;

/// By position in the router. Hosts with the same service and flags share one.
#[derive(Debug, Clone)]
pub(crate) struct CompiledSite {
    pub(crate) service: Option<usize>,
    /// In order of the policy.
    pub(crate) flags: Vec<usize>,
    /// None: there are no flags, and everything is as the service has it.
    shared: Option<Shared>,
}

/// What the parts of a site read, together: a request is gone through once, however many flags ask for the same cookie.
#[derive(Debug, Clone)]
struct Shared {
    fields: Fields,
    service: Option<Places>,
    flags: Vec<Places>,
    needs: Needs,
}

impl CompiledSite {
    pub(crate) fn new(service: Option<usize>, flags: Vec<usize>, services: &[Service], compiled: &[CompiledFlag]) -> Self {
        if flags.is_empty() {
            return Self { service, flags, shared: None };
        }
        let mut fields = Fields::default();
        let mut needs = Needs { headers: vec![SHADOW_HEADER.to_owned(), FLAGS_HEADER.to_owned()], ..Needs::default() };
        let of_service = service.and_then(|at| services.get(at)).map(|service| {
            needs.join(service.needs());
            fields.join(&service.assignment.fields)
        });
        let of_flags = flags.iter().filter_map(|at| compiled.get(*at)).map(|flag| {
            needs.join(&flag.assignment.needs);
            fields.join(&flag.assignment.fields)
        });
        let of_flags = of_flags.collect();
        Self { service, flags, shared: Some(Shared { fields, service: of_service, flags: of_flags, needs }) }
    }
}

/// What is decided at one host.
#[derive(Debug, Clone, Copy)]
pub struct Site<'r> {
    pub(crate) router: &'r Router,
    pub(crate) site: &'r CompiledSite,
}

impl<'r> Site<'r> {
    /// Where its service stands in [`Router::services`]; none: no service has this host.
    pub fn service_position(&self) -> Option<usize> {
        self.site.service
    }

    /// Its service.
    pub fn service(&self) -> Option<&'r Service> {
        self.router.services.get(self.site.service?)
    }

    /// Where its flags stand in [`Router::flags`], in order of [`Decisions::flags`].
    pub fn flag_positions(&self) -> &'r [usize] {
        &self.site.flags
    }

    /// Its flags, in order of [`Decisions::flags`].
    pub fn flags(&self) -> impl Iterator<Item = &'r CompiledFlag> {
        self.site.flags.iter().filter_map(|at| self.router.flags.get(*at))
    }

    /// What must be read of a request before [`Site::decide`].
    pub fn needs(&self) -> &'r Needs {
        static NOTHING: Needs = Needs { headers: Vec::new(), method: false, path: false, request_id: false };
        match &self.site.shared {
            Some(shared) => &shared.needs,
            None => self.service().map_or(&NOTHING, Service::needs),
        }
    }

    /// Everything that is decided for a request. `request` holds at least what [`Site::needs`] asks for.
    pub fn decide(&self, request: &Request) -> Decisions<'r> {
        let service = self.service();
        if is_shadow(request) {
            return Decisions { service: service.map(Service::shadow), flags: Vec::new(), flags_header: FlagsHeader::Keep };
        }
        let Some(shared) = &self.site.shared else {
            return Decisions {
                service: service.map(|service| service.decide(request)),
                flags: Vec::new(),
                flags_header: FlagsHeader::Keep,
            };
        };
        let seen = Seen::new(request, &shared.fields);
        let decided = service.map(|service| service.decide_seen(&seen, shared.service.as_ref()));
        let flags: Vec<_> = self.flags().zip(&shared.flags).map(|(flag, places)| flag.decide(Values::new(&seen, Some(places)))).collect();
        let flags_header = flag::header(&flags, request);
        Decisions { service: decided, flags, flags_header }
    }
}
