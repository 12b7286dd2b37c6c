//! `shunt watch`: what happens, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::RolloutList;
use shunt_core::Phase;
use shunt_filter_core::RolloutId;
use tokio::time::sleep;

use super::client::Client;
use super::console::{Console, Format};
use super::events::Events;
use super::exit::Exit;
use super::paint::tame;
use super::show::{all, one};
use super::target::Target;
use super::text::time;

/// Before a server that went away is asked again.
const RECONNECT: Duration = Duration::from_secs(1);

/// Cursor home; clear to the end of each line and of the screen.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";
const CLEAR_ALL: &str = "\u{1b}[2J";

const EXAMPLES: &str = "On a terminal the picture is redrawn in place; elsewhere each transition is a line, with -o json each state.

Examples:
  shunt watch
  shunt watch shop/checkout
  shunt watch shop/checkout -o json | jq -r '.rollouts[].message'";

/// What to follow.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// One Rollout: NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Option<Target>,
}

/// `shunt watch`: until it is interrupted. A server that goes away is waited for.
pub(crate) async fn run(args: &WatchArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let id = match &args.target {
        Some(target) => Some(target.view(client).await?.id.to_string()),
        None => None,
    };
    // The first connection may fail for good; later ones are tried again.
    let mut events = Events::open(client, id.as_deref()).await?;
    if console.live && console.format == Format::Text {
        write!(console.out, "{CLEAR_ALL}")?;
    }
    let mut said = Said::new();
    loop {
        while let Ok(Some(list)) = events.next().await {
            if list.rollouts.is_empty() && id.is_some() {
                eprintln!("{} is gone: its manifest was deleted", id.unwrap_or_default());
                return Ok(Exit::Done);
            }
            show(&list, id.is_some(), &mut said, client, console).await?;
        }
        eprintln!("{} went away; waiting for it", client.server());
        events = reopen(client, id.as_deref()).await;
    }
}

async fn reopen(client: &Client, id: Option<&str>) -> Events {
    loop {
        sleep(RECONNECT).await;
        if let Ok(events) = Events::open(client, id).await {
            return events;
        }
    }
}

/// What was said of each Rollout last: transition and phase.
type Said = BTreeMap<RolloutId, (u64, Phase)>;

async fn show(list: &RolloutList, single: bool, said: &mut Said, client: &Client, console: &mut Console<'_>) -> anyhow::Result<()> {
    match (console.format, console.live) {
        (Format::Json | Format::Yaml, _) => console.show_next(list, |_| Vec::new()),
        (Format::Text, true) => redraw(&picture(list, single, client, console).await, console),
        (Format::Text, false) => news(list, said, console),
    }
}

async fn picture(list: &RolloutList, single: bool, client: &Client, console: &Console<'_>) -> Vec<String> {
    match list.rollouts.first() {
        Some(view) if single => {
            let proxies = client.get::<ProxyList>(&["proxies"]).await.unwrap_or(ProxyList::default());
            one::tree(view, &proxies, console.paint, console.now())
        }
        _ => all::table(list, console.paint),
    }
}

fn redraw(lines: &[String], console: &mut Console<'_>) -> anyhow::Result<()> {
    write!(console.out, "{HOME}")?;
    lines.iter().try_for_each(|line| writeln!(console.out, "{line}{CLEAR_LINE}"))?;
    write!(console.out, "{CLEAR_BELOW}")?;
    Ok(console.out.flush()?)
}

/// One line for each Rollout that made a transition.
fn news(list: &RolloutList, said: &mut Said, console: &mut Console<'_>) -> anyhow::Result<()> {
    for view in &list.rollouts {
        let news = (view.revision, view.phase);
        if said.insert(view.id.clone(), news) != Some(news) {
            let step = view.step.as_ref().map(|step| format!(" {}/{} {}", step.number, step.of, step.text)).unwrap_or_default();
            let (at, phase) = (time(console.now(), &console.zone), console.paint.phase(view.phase));
            console.line(&format!("{at} {} {phase}{step}: {}", view.id, tame(&view.message)))?;
        }
    }
    Ok(console.out.flush()?)
}
