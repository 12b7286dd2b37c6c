//! What else an operator should know who asks where a request goes.

use shunt_core::explain;
use shunt_core::status::DeliveryView;
use shunt_filter_core::Request;
use shunt_filter_core::names::{HEADER_PREFIX, SHADOW_HEADER};

use crate::app::RolloutNow;

/// About the request itself: our headers never count when a client sends them.
pub(super) fn on_request(request: &Request) -> Vec<String> {
    let ours = request.headers.iter().map(|(name, _)| name).filter(|name| name.starts_with(HEADER_PREFIX));
    let texts = ours.map(|name| match name.as_str() {
        SHADOW_HEADER => format!("{name} marks a copy; an untrusted edge removes it, and then the request is decided like any other"),
        _ => format!("{name} of a client never counts: it is removed before anything is decided"),
    });
    texts.collect()
}

/// About the Rollout: rules that fall through, where values came from, proxies that are behind, warnings.
pub(super) fn on_rollout(now: &RolloutNow) -> Vec<String> {
    let mut notes = explain::falling_rules(&now.plan, &now.state);
    notes.extend(explain::request_sources(&now.plan));
    match &now.view.policy {
        DeliveryView::Live { .. } | DeliveryView::External => {}
        DeliveryView::Waiting { behind } => {
            notes.push(format!("not every proxy runs this policy yet, some may still decide with an older one: {}", behind.join(", ")));
        }
        DeliveryView::Rejected { node, error } => notes.push(format!("{node} refused this policy and decides with an older one: {error}")),
        DeliveryView::Unknown { .. } => notes.push("no proxy has reported lately: which policy they run is not known".to_owned()),
    }
    notes.extend(now.view.warnings.iter().cloned());
    notes
}
