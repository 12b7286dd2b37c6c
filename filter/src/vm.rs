//! What all contexts of one VM share: the policy, the counters, who reports. It survives pushes; contexts do not.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use shunt_filter_core::deadlines::Deadlines;
use shunt_filter_core::report::Report;
use shunt_filter_core::{Router, RoutingPolicy, Site, VersionName, compile, json};

use crate::counters::{Counters, Lanes};
use crate::host::Host;
use crate::lane::Lane;
use crate::random::Random;
use crate::reporter::Reporter;
use crate::trail::Trail;

/// The policy in force.
#[derive(Debug)]
pub(crate) struct Installed {
    /// Finds services.
    pub(crate) router: Router,
    /// Where its requests are counted.
    lanes: Lanes,
}

/// One VM: a worker's, or the main thread's.
#[derive(Debug)]
pub(crate) struct Vm {
    host: Box<dyn Host>,
    policy: RefCell<Option<Rc<Installed>>>,
    /// Which root context reports, and when.
    pub(crate) reporter: RefCell<Reporter>,
    /// Counters of all services.
    pub(crate) counters: Counters,
    /// When decided requests without an answer begin to hang; who handles a request holds its trail.
    deadlines: RefCell<Deadlines<Weak<RefCell<Trail>>>>,
    /// Randomness for ids.
    pub(crate) random: Random,
    /// True when the last request's host was in the policy. Requests of one kind come one after another, so it tells which way of reading
    /// the next one's headers is likely the cheaper one, and nothing else.
    pub(crate) decided: Cell<bool>,
    node: RefCell<String>,
    name: String,
    sequence: Cell<u64>,
}

impl Installed {
    /// True when nothing is decided.
    pub(crate) fn is_empty(&self) -> bool {
        self.router.services().is_empty() && self.router.flags().is_empty()
    }

    /// The lane of a version of a site's service.
    pub(crate) fn lane(&self, site: &Site<'_>, version: &VersionName) -> Option<&Rc<Lane>> {
        self.lanes.services.get(site.service_position()?)?.iter().find(|lane| lane.version() == version)
    }

    /// The lanes of a site's flags, each by version, in order of its decisions.
    pub(crate) fn flag_lanes(&self, site: &Site<'_>) -> impl Iterator<Item = &[Rc<Lane>]> {
        site.flag_positions().iter().filter_map(|at| self.lanes.flags.get(*at)).map(Vec::as_slice)
    }
}

impl Vm {
    /// Without a policy, which every request passes.
    pub(crate) fn new(host: Box<dyn Host>) -> Self {
        Self {
            policy: RefCell::default(),
            reporter: RefCell::default(),
            counters: Counters::default(),
            deadlines: RefCell::default(),
            random: Random::seeded(host.as_ref()),
            decided: Cell::default(),
            node: RefCell::default(),
            name: format!("{:032x}", u128::from_le_bytes(host.random())),
            sequence: Cell::default(),
            host,
        }
    }

    /// The proxy.
    pub(crate) fn host(&self) -> &dyn Host {
        self.host.as_ref()
    }

    /// The policy in force; none: every request passes.
    pub(crate) fn policy(&self) -> Option<Rc<Installed>> {
        self.policy.borrow().clone()
    }

    /// Puts a configuration in force, or says why not and changes nothing. Empty: no policy.
    #[inline(never)]
    pub(crate) fn install(&self, configuration: &[u8]) -> Result<(), String> {
        let installed = if configuration.is_empty() {
            None
        } else {
            let raw = read(configuration)?;
            // By way of `xds`: below `node` the metadata is not found (Envoy 1.40).
            let namespace = self.text("xds\0node\0metadata\0NAMESPACE");
            let router = compile(raw, namespace.as_deref()).map_err(|error| error.to_string())?;
            let lanes = self.counters.install(&router);
            Some(Rc::new(Installed { router, lanes }))
        };
        if let Some(node) = self.text("xds\0node\0id") {
            *self.node.borrow_mut() = node;
        }
        self.policy.replace(installed);
        Ok(())
    }

    /// Looks at a decided request when it may hang.
    pub(crate) fn watch(&self, context: u32, trail: &Rc<RefCell<Trail>>) {
        if let Some(due) = trail.borrow().due() {
            self.deadlines.borrow_mut().insert(due, context, Rc::downgrade(trail));
        }
    }

    /// A request got an answer, or has ended.
    pub(crate) fn forget_due(&self, context: u32, trail: &mut Trail) {
        if trail.hangs() {
            self.counters.touch();
        }
        if let Some(due) = trail.unhang() {
            self.deadlines.borrow_mut().remove(due, context);
        }
    }

    /// Looks for requests that hang by now, and only at those.
    #[inline(never)]
    pub(crate) fn find_hanging(&self, now: u64) {
        let mut deadlines = self.deadlines.borrow_mut();
        while let Some((context, request)) = deadlines.pop(now) {
            let Some(trail) = request.upgrade() else { continue };
            let mut trail = trail.borrow_mut();
            trail.hang(now);
            self.counters.touch();
            // Of several arms another one may be more patient; what is due by now is not due again.
            if let Some(due) = trail.due() {
                deadlines.insert(due, context, request);
            }
        }
    }

    /// True when a report was made.
    pub(crate) fn has_reported(&self) -> bool {
        self.sequence.get() > 0
    }

    /// The next report.
    #[inline(never)]
    pub(crate) fn report(&self, generation: u64, last: bool) -> Report {
        let sequence = self.sequence.get().saturating_add(1);
        self.sequence.set(sequence);
        let (node, vm, services) = (self.node.borrow().clone(), self.name.clone(), self.counters.report());
        Report { node, vm, sequence, generation, last, module: env!("CARGO_PKG_VERSION").to_owned(), services }
    }

    /// A property that is text.
    fn text(&self, path: &str) -> Option<String> {
        self.host.property(path).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty())
    }
}

/// The policy as written. Fields that this filter does not know change nothing: they are said in the log, because a policy file that is
/// edited by hand has no control plane that would refuse them.
fn read(configuration: &[u8]) -> Result<RoutingPolicy, String> {
    let json::Read { value, unknown } = json::read(configuration).map_err(|error| error.to_string())?;
    if !unknown.is_empty() {
        log::warn!("shunt: the policy has fields that this filter does not know, they change nothing: {}", unknown.join(", "));
    }
    Ok(value)
}
