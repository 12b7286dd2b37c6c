//! Asks instances whether they are ready, and tells when that changes.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use shunt_core::instance::{Change, Event, Streak, next_probe};
use shunt_spec::Span;
use shunt_spec::plan::Probe;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Probes on their way at the same time.
const AT_ONCE: usize = 64;

/// How long a connection may take where no probe is written.
const CONNECT: Duration = Duration::from_secs(1);

/// Longest pause between two attempts to connect while an instance starts.
const CONNECT_PAUSE: Span = Span::millis(250);

/// Asks.
#[derive(Debug, Clone)]
pub(super) struct Prober {
    http: Client,
    slots: Arc<Semaphore>,
}

impl Prober {
    pub(super) fn new() -> Self {
        // A connection per probe: one that is kept would look like a request in flight, and hides that no new one can be made.
        let builder = Client::builder().no_proxy().pool_max_idle_per_host(0).redirect(reqwest::redirect::Policy::none());
        Self { http: builder.build().unwrap_or_default(), slots: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks for ever, and tells each change.
    pub(super) async fn watch(self, address: String, probe: Probe, tell: impl Fn(Event)) {
        let (mut streak, mut asked) = (Streak::default(), 0_u32);
        loop {
            let answer = self.ask(&address, &probe).await;
            match streak.take(answer.is_ok(), &probe) {
                Some(Change::Healthy) => tell(Event::Healthy),
                Some(Change::Unhealthy) => tell(Event::Unhealthy { why: answer.clone().err().unwrap_or_default() }),
                None => {}
            }
            sleep(Duration::from_millis(next_probe(asked, streak.was_well(), probe.interval).0)).await;
            asked = asked.saturating_add(1);
        }
    }

    /// Tells once it accepts connections; its end is seen otherwise.
    pub(super) async fn connect(self, address: String, tell: impl Fn(Event)) {
        let mut asked = 0_u32;
        while !self.connects(&address).await {
            sleep(Duration::from_millis(next_probe(asked, false, CONNECT_PAUSE).0)).await;
            asked = asked.saturating_add(1);
        }
        tell(Event::Healthy);
    }

    async fn connects(&self, address: &str) -> bool {
        let _slot = self.slots.acquire().await;
        matches!(timeout(CONNECT, TcpStream::connect(address)).await, Ok(Ok(_)))
    }

    /// 200 to 399 within the time-out is well.
    async fn ask(&self, address: &str, probe: &Probe) -> Result<(), String> {
        let _slot = self.slots.acquire().await;
        let url = format!("http://{address}{}", probe.path);
        let request = self.http.get(&url).timeout(Duration::from_millis(probe.timeout.0));
        let request = probe.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let what = &probe.path;
        match request.send().await {
            Ok(answer) if (200..400).contains(&answer.status().as_u16()) => Ok(()),
            Ok(answer) => Err(format!("probe {what}: status {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Err(format!("probe {what}: no answer within {}", probe.timeout)),
            Err(error) if error.is_connect() => Err(format!("probe {what}: no connection")),
            Err(error) => Err(format!("probe {what}: {error}")),
        }
    }
}
