//! What a decided request leaves behind until it is counted.

use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::Counted;
use shunt_filter_core::method::Method;

use crate::arm::Arm;
use crate::lane::Lane;

/// A decided request that has not ended.
#[derive(Debug)]
pub(crate) struct Trail {
    /// Of the service; none: no service of ours has this host.
    pub(crate) lane: Option<Started>,
    /// One per flag.
    pub(crate) flags: Vec<Started>,
    /// The request.
    pub(crate) asked: Asked,
    /// To the response's headers.
    pub(crate) latency: Option<Duration>,
    /// The response's headers were all of it.
    pub(crate) bodiless: bool,
    /// Cookies that the response is to set.
    pub(crate) set_cookies: Vec<String>,
    /// When it hangs if it has no response headers until then, nanoseconds since 1970; none: it never counts as hanging.
    due: Option<u64>,
}

/// A request, as far as it is remembered.
#[derive(Debug)]
pub(crate) struct Asked {
    /// When, nanoseconds since 1970.
    pub(crate) started: u64,
    /// Its method.
    pub(crate) method: Method,
    /// The form of its path; empty when it counts in no epoch.
    pub(crate) path: String,
    /// Its content-type was gRPC. What the answer is, the response says.
    pub(crate) grpc: bool,
}

/// Where a request is counted, and where in the epoch it was decided under.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) lane: Rc<Lane>,
    pub(crate) counted: Option<Counted>,
    /// It is among those that hang.
    hangs: bool,
}

impl Started {
    /// Counted from now on.
    pub(crate) fn new(lane: &Rc<Lane>, counted: Option<Counted>) -> Self {
        Self { lane: Rc::clone(lane), counted, hangs: false }
    }

    /// Where it counts in the epoch.
    pub(crate) fn arm(&self) -> Option<(&Arm, Counted)> {
        Some((self.lane.arm()?, self.counted?))
    }

    /// When it hangs, if that is known and it does not yet.
    fn due(&self, asked: &Asked) -> Option<u64> {
        let (arm, _) = self.arm().filter(|_| !self.hangs)?;
        Some(asked.started.saturating_add(arm.hang_after()?))
    }

    fn hang(&mut self, asked: &Asked) {
        if let Some((arm, counted)) = self.arm() {
            arm.hang(counted, asked);
            self.hangs = true;
        }
    }

    fn unhang(&mut self) {
        if std::mem::take(&mut self.hangs)
            && let Some((arm, _)) = self.arm()
        {
            arm.unhang();
        }
    }
}

impl Trail {
    /// A request that was decided.
    pub(crate) fn new(lane: Option<Started>, flags: Vec<Started>, asked: Asked, set_cookies: Vec<String>) -> Self {
        let mut trail = Self { lane, flags, asked, latency: None, bodiless: false, set_cookies, due: None };
        trail.due = trail.next_due();
        trail
    }

    /// Where it is counted.
    pub(crate) fn started(&self) -> impl Iterator<Item = &Started> {
        self.lane.iter().chain(&self.flags)
    }

    /// Where it counts in epochs.
    pub(crate) fn arms(&self) -> impl Iterator<Item = &Arm> {
        self.started().filter_map(|started| Some(started.arm()?.0))
    }

    /// When it is to be looked at because it may hang, nanoseconds since 1970.
    pub(crate) fn due(&self) -> Option<u64> {
        self.due
    }

    /// It hangs where it is old enough by now. When it is to be looked at again is told anew.
    pub(crate) fn hang(&mut self, now: u64) {
        let Self { lane, flags, asked, .. } = self;
        for started in lane.iter_mut().chain(flags) {
            if started.due(asked).is_some_and(|due| due <= now) {
                started.hang(asked);
            }
        }
        self.due = self.next_due();
    }

    /// True when it counts as hanging somewhere.
    pub(crate) fn hangs(&self) -> bool {
        self.started().any(|started| started.hangs)
    }

    /// It got an answer, or has ended: it does not hang. Returns when it was to be looked at.
    pub(crate) fn unhang(&mut self) -> Option<u64> {
        self.lane.iter_mut().chain(&mut self.flags).for_each(Started::unhang);
        self.due.take()
    }

    fn next_due(&self) -> Option<u64> {
        if self.asked.method == Method::Connect {
            return None;
        }
        self.started().filter_map(|started| started.due(&self.asked)).min()
    }
}
