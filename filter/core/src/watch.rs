//! What is looked at in the requests of a service or a flag while an analysis runs.

use crate::policy::{LatencyPolicy, ResponsePolicy, Tolerance};

/// The fields of a service or a flag that say what is counted beside the totals.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    pub(crate) epoch: u64,
    pub(crate) analysis: bool,
    pub(crate) latency: Option<LatencyPolicy>,
    pub(crate) tolerance: Option<Tolerance>,
    pub(crate) responses: Option<ResponsePolicy>,
    pub(crate) hang_after_ms: Option<u32>,
}

impl Watch {
    /// Raised when the step changes; slot bitmaps belong to it. None: no analysis runs.
    pub fn epoch(&self) -> Option<u64> {
        self.analysis.then_some(self.epoch)
    }

    /// What counts as slow in this epoch.
    pub fn latency(&self) -> Option<&LatencyPolicy> {
        self.latency.as_ref()
    }

    /// How much worse than a version the others may be.
    pub fn tolerance(&self) -> Option<&Tolerance> {
        self.tolerance.as_ref()
    }

    /// Which answers that are no failures are counted.
    pub fn responses(&self) -> Option<&ResponsePolicy> {
        self.responses.as_ref()
    }

    /// After how long a request in flight counts as hanging, nanoseconds.
    pub fn hang_after(&self) -> Option<u64> {
        self.hang_after_ms.map(|milliseconds| u64::from(milliseconds).saturating_mul(1_000_000))
    }
}
