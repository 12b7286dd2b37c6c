//! One variant's Envoy, and Envoy's CPU time per request under load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::variant::{Behind, Modules, Variant, bootstrap};
use crate::{Envoy, EnvoyOptions, Load};

/// Requests per second of our own load, where `wrk` is missing. Below saturation, so that no request waits for another.
const OWN_RATE: f64 = 4_000.0;
/// Connections of `wrk`.
const CONNECTIONS: u32 = 16;
/// 1,000 users with the headers that browsers send.
const WRK_SCRIPT: &str = r#"
local number = 0
wrk.headers["Host"] = "shop.test"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-US,en;q=0.5"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br"
wrk.headers["Referer"] = "http://shop.test/cart"
request = function()
  number = (number + 1) % 1000
  wrk.headers["Cookie"] = "theme=dark; shunt-id=user-" .. number
  return wrk.format("GET", "/reply?size=200")
end
"#;

/// A variant with its Envoy and what was measured so far.
#[derive(Debug)]
pub(super) struct Bench {
    variant: Variant,
    behind: Behind,
    envoy: Envoy,
    address: SocketAddr,
    /// Microseconds of Envoy's CPU per request, by round.
    samples: Vec<(usize, f64)>,
}

impl Bench {
    pub(super) async fn start(modules: &Modules, variant: Variant, behind: Behind, receiver: SocketAddr) -> Result<Self> {
        let options = EnvoyOptions { concurrency: 1, log_level: "error".to_owned(), ..EnvoyOptions::default() };
        let envoy = Envoy::start(&bootstrap(modules, variant, behind, receiver), options).await.with_context(|| variant.name())?;
        let address = envoy.listener("shunt").await?;
        Ok(Self { variant, behind, envoy, address, samples: Vec::new() })
    }

    pub(super) fn variant(&self) -> Variant {
        self.variant
    }

    pub(super) fn behind(&self) -> Behind {
        self.behind
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn samples(&self) -> &[(usize, f64)] {
        &self.samples
    }

    pub(super) fn name(&self) -> &'static str {
        self.variant.name()
    }

    /// Loads it for a while. Round 0 is not kept.
    pub(super) async fn measure(&mut self, time: Duration, round: usize) -> Result<()> {
        let requests = || self.envoy.stat("http.bench.downstream_rq_completed");
        let (before, cpu) = (requests().await?, self.envoy.child().cpu("")?);
        load(self.address, time).await?;
        let (after, used) = (requests().await?, self.envoy.child().cpu("")?.saturating_sub(cpu));
        ensure!(after > before + 100, "{}: only {} requests", self.name(), after - before);
        let failed = self.envoy.stat("http.bench.downstream_rq_5xx").await?;
        ensure!(failed == 0, "{}: {failed} requests failed", self.name());
        if round > 0 {
            self.samples.push((round, used.as_secs_f64() * 1e6 / (after - before) as f64));
        }
        Ok(())
    }
}

/// `wrk` if there is one: it costs the machine least. Else our own load.
async fn load(address: SocketAddr, time: Duration) -> Result<()> {
    let script = tempfile::Builder::new().prefix("shunt-bench-").suffix(".lua").tempfile()?;
    std::fs::write(script.path(), WRK_SCRIPT)?;
    let mut wrk = tokio::process::Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{}s", time.as_secs()), "-s"]).arg(script.path());
    match wrk.arg(format!("http://{address}/")).kill_on_drop(true).output().await {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"), "wrk: {text}");
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let load = Load::new(address).ask(hyper::Method::GET, "/reply?size=200").rate(OWN_RATE);
            let requests = (OWN_RATE * time.as_secs_f64()) as usize;
            let tally = load.run(requests).await;
            ensure!(tally.failed() == 0, "{}", tally.summary());
            Ok(())
        }
        Err(error) => Err(error).context("starting wrk"),
    }
}
