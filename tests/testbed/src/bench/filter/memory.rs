//! What a module costs in memory: anonymous memory of an idle Envoy with one worker, and what each further worker adds.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::variant::{Behind, Modules, Variant, bootstrap};
use crate::{Envoy, EnvoyOptions, Receiver};

/// Workers of the second Envoy.
const WORKERS: u32 = 5;
/// As long as an Envoy needs to come to rest: reports, statistics, threads that free what they held.
const REST: Duration = Duration::from_secs(3);

/// Of all variants.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(super) struct Memory {
    rows: Vec<Row>,
}

/// Of one variant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    variant: &'static str,
    /// With one worker, MB (a million bytes).
    one_worker: f64,
    /// More than the no-op, MB.
    above_noop: f64,
    /// Of each further worker, MB.
    per_worker: f64,
}

impl Memory {
    pub(super) async fn measure(modules: &Modules) -> Result<Self> {
        let receiver = Receiver::start().await?;
        let mut rows: Vec<Row> = Vec::new();
        // The no-op comes before what is compared with it.
        for variant in modules.variants().filter(|variant| *variant != Variant::Lua) {
            let idle = async |concurrency| -> Result<f64> {
                let options = EnvoyOptions { concurrency, log_level: "error".to_owned(), ..EnvoyOptions::default() };
                let text = bootstrap(modules, variant, Behind::Nothing, receiver.address());
                let envoy = Envoy::start(&text, options).await.with_context(|| variant.name())?;
                tokio::time::sleep(REST).await;
                Ok(envoy.child().anonymous()? as f64 / 1e6)
            };
            let (one_worker, more) = (idle(1).await?, idle(WORKERS).await?);
            let noop = rows.iter().find(|row| row.variant == Variant::Noop.name()).map_or(one_worker, |row| row.one_worker);
            let per_worker = (more - one_worker) / f64::from(WORKERS - 1);
            rows.push(Row { variant: variant.name(), one_worker, above_noop: one_worker - noop, per_worker });
        }
        Ok(Self { rows })
    }

    /// More than the no-op, MB.
    pub(super) fn above_noop(&self, variant: Variant) -> Option<f64> {
        self.rows.iter().find(|row| row.variant == variant.name()).map(|row| row.above_noop)
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "\n{:<34} {:>24} {:>22} {:>22}\n",
            "Envoy's anonymous memory, idle", "MB, one worker", "above no-op", "per further worker"
        );
        for Row { variant, one_worker, above_noop, per_worker } in &self.rows {
            text.push_str(&format!("  {variant:<32} {one_worker:>24.1} {above_noop:>22.1} {per_worker:>22.1}\n"));
        }
        text
    }
}
