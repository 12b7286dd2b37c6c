//! Which root context reports, and when the next report is due. No calls to the proxy.

/// Posts without an answer yet; more are not begun.
const POSTS_MAX: u32 = 4;

/// The reporting state of the root context configured last; only that one reports.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    /// Its id; 0 before the first configuration.
    root: u32,
    /// The tick runs at the policy's interval, not at the first one.
    settled: bool,
    /// Something changed that no post carried yet.
    unsent: bool,
    /// When the last post was made, nanoseconds since 1970.
    last: u64,
    /// Posts without an answer.
    open: u32,
}

impl Reporter {
    /// A new generation: it is news by itself.
    pub(crate) fn new(root: u32) -> Self {
        Self { root, unsent: true, ..Self::default() }
    }

    /// True for the root context that reports.
    pub(crate) fn is(&self, root: u32) -> bool {
        self.root == root
    }

    /// True the first time.
    pub(crate) fn settle(&mut self) -> bool {
        !std::mem::replace(&mut self.settled, true)
    }

    /// Something was counted.
    pub(crate) fn touch(&mut self) {
        self.unsent = true;
    }

    /// True when there is news, or the last post is long ago; not while too many posts wait for their answer.
    pub(crate) fn is_due(&self, now: u64, heartbeat_ms: u32) -> bool {
        let heartbeat = u64::from(heartbeat_ms).saturating_mul(1_000_000);
        self.open < POSTS_MAX && (self.unsent || now.saturating_sub(self.last) >= heartbeat)
    }

    /// A post was begun.
    pub(crate) fn posted(&mut self, now: u64) {
        self.unsent = false;
        self.last = now;
        self.open = self.open.saturating_add(1);
    }

    /// A post was answered; one that did not arrive is news again.
    pub(crate) fn answered(&mut self, root: u32, arrived: bool) {
        if self.is(root) {
            self.open = self.open.saturating_sub(1);
            self.unsent |= !arrived;
        }
    }
}
