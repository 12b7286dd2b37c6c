//! The decision of a service: pure and total. Rules in order, then the split, then stable; then the copy.

use crate::decision::{Decision, Reason};
use crate::fields::{Places, Seen, Values};
use crate::names::SHADOW_HEADER;
use crate::request::Request;
use crate::service::Service;

impl Service {
    /// Who answers, who gets a copy, and why. `request` holds at least what [`Service::needs`] asks for. Flags are decided by
    /// [`crate::Site::decide`].
    pub fn decide<'r>(&'r self, request: &Request) -> Decision<'r> {
        if is_shadow(request) {
            return self.shadow();
        }
        self.decide_seen(&Seen::new(request, &self.assignment.fields), None)
    }

    #[inline(never)]
    pub(crate) fn decide_seen<'r>(&'r self, seen: &Seen<'_>, places: Option<&Places>) -> Decision<'r> {
        let values = Values::new(seen, places);
        let assigned = self.assignment.assign(values);
        let stable = &self.stable;
        let wanted = self.versions.get(assigned.owner).unwrap_or(stable);
        let (answering, reason, counted) = if wanted.serving || wanted.name == stable.name {
            (wanted, assigned.reason, assigned.counted)
        } else {
            (stable, Reason::NotServing { wanted: &wanted.name, because: Box::new(assigned.reason) }, None)
        };
        let copy = self.mirror.as_ref().and_then(|mirror| mirror.copy(&values, answering, &self.versions));
        Decision {
            version: &answering.name,
            reason,
            route: copy.map(|(_, route)| route).or(answering.route.as_deref()),
            mirror: copy.map(|(version, _)| &version.name),
            counted,
            keyless: assigned.keyless,
            generated: assigned.generated,
        }
    }

    /// A copy was decided where it was made: nothing of it is decided, counted or copied again.
    pub(crate) fn shadow(&self) -> Decision<'_> {
        Decision {
            version: &self.stable.name,
            reason: Reason::Shadow,
            route: None,
            mirror: None,
            counted: None,
            generated: None,
            keyless: false,
        }
    }
}

/// True for a mirrored copy.
pub(crate) fn is_shadow(request: &Request) -> bool {
    request.headers.iter().any(|(name, value)| name == SHADOW_HEADER && value == b"1")
}
