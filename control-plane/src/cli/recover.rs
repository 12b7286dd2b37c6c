//! `shunt recover`: the state made anew from what Envoys run, after the store was lost.

mod dump;

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use shunt_api::recovery::{RecoveredRollout, Recovery, RecoveryBody};
use shunt_core::recovery::Running;

use super::client::Client;
use super::console::{Console, Format};
use super::exit::Exit;
use super::paint::tame;

/// How long an Envoy may take to show what it runs: the module is part of that.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(30);

const EXAMPLES: &str =
    "A control plane whose store is empty while Envoys run what another one published holds: `shunt get` and /readyz say so, and nothing
is published. This command reads the policy and the routes from the admin interfaces of Envoys (/config_dump), or from files with
that content, shows for each Rollout what follows, and asks whether that is right. Users keep the versions that they have:
runs go on held until `shunt resume`, and a release that is not stable waits for `shunt retry`, because it may have been refused.
One Envoy is enough; of several the one with the highest generation counts.

Examples:
  shunt recover --envoy-admin 127.0.0.1:9901
  curl -s http://127.0.0.1:9901/config_dump > edge-1.json && shunt recover --config-dump edge-1.json --yes";

/// Where to look.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecoverArgs {
    /// Admin interface of an Envoy; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    envoy_admin: Vec<String>,

    /// File with what an Envoy's /config_dump answered; may be given several times
    #[arg(long, value_name = "FILE")]
    config_dump: Vec<PathBuf>,

    /// Do not ask: what follows is right for every Rollout
    #[arg(long)]
    yes: bool,
}

/// `shunt recover`
pub(crate) async fn run(args: &RecoverArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        !args.envoy_admin.is_empty() || !args.config_dump.is_empty(),
        "name an Envoy that still has what the lost store published: --envoy-admin HOST:PORT, or --config-dump FILE"
    );
    let running = ask_proxies(args).await?;
    let body = RecoveryBody { running, confirmed: BTreeSet::new() };
    let found: Recovery = client.post(&["recovery"], &body).await?;
    if console.format == Format::Text {
        console.line(&format!("What follows from what {} run (the next generation is {}):", envoys(args), found.generation))?;
    }
    if !confirmed(args, &found.rollouts, console)? {
        console.show(&found, |_| vec!["Nothing was done: the control plane goes on holding.".to_owned()])?;
        return Ok(Exit::Wrong);
    }
    let confirmed = found.rollouts.iter().map(|rollout| rollout.id.clone()).collect();
    let done: Recovery = client.post(&["recovery"], &RecoveryBody { confirmed, ..body }).await?;
    console.show(&done, |_| vec!["Recovered. `shunt get` shows what waits for you.".to_owned()])?;
    Ok(Exit::Done)
}

fn envoys(args: &RecoverArgs) -> String {
    match args.envoy_admin.len().saturating_add(args.config_dump.len()) {
        1 => "1 Envoy".to_owned(),
        number => format!("{number} Envoys"),
    }
}

/// What each of them runs.
async fn ask_proxies(args: &RecoverArgs) -> anyhow::Result<Vec<Running>> {
    let mut all = Vec::new();
    for admin in &args.envoy_admin {
        let text = fetch(admin).await.with_context(|| format!("Envoy's admin interface at {admin}"))?;
        all.push(dump::running(&text).with_context(|| format!("what {admin} runs"))?);
    }
    for file in &args.config_dump {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        all.push(dump::running(&text).with_context(|| format!("{}", file.display()))?);
    }
    Ok(all)
}

async fn fetch(admin: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(ADMIN_TIMEOUT).no_proxy().build()?;
    let answer = http.get(format!("http://{admin}/config_dump")).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

/// Whether the operator says yes to each. Without a terminal only `--yes` does.
fn confirmed(args: &RecoverArgs, rollouts: &[RecoveredRollout], console: &mut Console<'_>) -> anyhow::Result<bool> {
    let asks = !args.yes && console.format == Format::Text;
    if asks && !std::io::stdin().is_terminal() {
        rollouts.iter().try_for_each(|rollout| console.line(&sentence(rollout)))?;
        anyhow::bail!("there is no terminal to ask at: look at what follows, then say --yes");
    }
    for rollout in rollouts {
        if console.format == Format::Text {
            console.line(&sentence(rollout))?;
        }
        if asks && !yes(console)? {
            return Ok(false);
        }
    }
    Ok(args.yes || asks)
}

fn sentence(rollout: &RecoveredRollout) -> String {
    format!("  {}: {}", rollout.id, tame(&rollout.message))
}

fn yes(console: &mut Console<'_>) -> anyhow::Result<bool> {
    write!(console.out, "  Is that right? [y/N] ")?;
    console.out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
