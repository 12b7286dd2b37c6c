//! CPU and memory of a process, as the kernel counts them.

use std::time::Duration;

use anyhow::{Context, Result};

/// How many `/proc/PID/stat` counts in a second: `USER_HZ`, which is 100 on every architecture of Linux that Shunt runs on.
const TICKS: u64 = 100;

/// So far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// User and system time of all threads, also of those that have ended.
    pub(super) cpu: Duration,
    /// Resident memory now, bytes.
    pub(super) rss: u64,
    /// The most that was ever resident, bytes.
    pub(super) peak: u64,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Result<Self> {
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} runs no more"));
        let (stat, status) = (read("stat")?, read("status")?);
        // The name stands in parentheses and may have spaces; user and system time are the fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok()).context("stat has no times");
        let kib = |name: &str| {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("the kernel does not tell {name}"))?;
            let number: u64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{name} is no number"))?;
            anyhow::Ok(number * 1024)
        };
        let cpu = Duration::from_millis((ticks(14)? + ticks(15)?) * 1000 / TICKS);
        Ok(Self { cpu, rss: kib("VmRSS:")?, peak: kib("VmHWM:")? })
    }

    /// The CPU time since another moment; memory as it is now.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(before.cpu), ..*self }
    }
}
