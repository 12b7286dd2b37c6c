//! `shunt watch`: what happens, as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::RolloutList;
use shunt_core::Phase;
use shunt_core::status::RolloutStatus;
use shunt_filter_core::RolloutId;
use tokio::time::sleep;

use super::client::Client;
use super::console::{Console, Format};
use super::events::Events;
use super::exit::{self, Exit};
use super::failure;
use super::frame::{Size, frame};
use super::paint::{Paint, tame};
use super::show::{all, one};
use super::status;
use super::target::Target;
use super::text::time;

/// Before a server that went away is asked again.
const RECONNECT: Duration = Duration::from_secs(1);
/// Ages and what is left are redrawn so often.
const TICK: Duration = Duration::from_secs(1);

/// Cursor home; clear to the end of each line and of the screen.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";
const CLEAR_ALL: &str = "\u{1b}[2J";

const EXAMPLES: &str =
    "On a terminal the picture is redrawn in place and cut to its size; elsewhere each transition is a line, with -o json each state.

Examples:
  shunt watch
  shunt watch shop/checkout
  shunt watch shop/checkout --until-done             ends with the release
  shunt watch shop/checkout -o json | jq -r '.rollouts[].message'";

/// What to follow.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\nWith --until-done:\n{}", exit::TABLE))]
pub(crate) struct WatchArgs {
    /// One Rollout: NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Option<Target>,

    /// End when the release has ended, with the exit code of `shunt status`
    #[arg(long, requires = "target")]
    until_done: bool,
}

/// `shunt watch`: until it is interrupted, or with `--until-done` until the release is over. A server that goes away is waited for.
pub(crate) async fn run(args: &WatchArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let id = match &args.target {
        Some(target) => Some(target.view(client).await?.id.to_string()),
        None => None,
    };
    // The first connection may fail for good; later ones are tried again.
    let mut events = Events::open(client, id.as_deref()).await?;
    let mut watched = Watched { id, list: None, proxies: ProxyList::default(), size: None, said: Said::new() };
    loop {
        while let Some(list) = watched.next(&mut events, console).await? {
            let gone = list.rollouts.is_empty() && watched.id.is_some();
            if gone {
                let detail = format!("{} is gone: its manifest was deleted", watched.id.unwrap_or_default());
                failure::note("gone", "The Rollout is gone", &detail, console.format);
                return Ok(if args.until_done { Exit::Wrong } else { Exit::Done });
            }
            let ended = list.rollouts.first().filter(|view| args.until_done && view.is_over()).map(status::code);
            watched.show(list, client, console).await?;
            if let Some(exit) = ended {
                return Ok(exit);
            }
        }
        events = watched.reopen(client, console).await?;
    }
}

/// What was said of each Rollout last: transition and phase.
type Said = BTreeMap<RolloutId, (u64, Phase)>;

/// What is followed, and what is on the screen.
struct Watched {
    id: Option<String>,
    list: Option<RolloutList>,
    proxies: ProxyList,
    size: Option<Size>,
    said: Said,
}

impl Watched {
    /// The next state; meanwhile ages grow on the screen. None: the server went away.
    async fn next(&mut self, events: &mut Events, console: &mut Console<'_>) -> anyhow::Result<Option<RolloutList>> {
        loop {
            tokio::select! {
                list = events.next() => return Ok(list.ok().flatten()),
                () = sleep(TICK), if console.is_redrawn() => self.redraw(None, console)?,
            }
        }
    }

    async fn show(&mut self, list: RolloutList, client: &Client, console: &mut Console<'_>) -> anyhow::Result<()> {
        match console.format {
            Format::Json | Format::Yaml => console.show_next(&list, |_| Vec::new()),
            Format::Text if console.is_redrawn() => {
                if self.id.is_some() {
                    self.proxies = client.get(&["proxies"]).await.unwrap_or_default();
                }
                self.list = Some(list);
                self.redraw(None, console)
            }
            Format::Text => news(&list, &mut self.said, console),
        }
    }

    /// Until the server answers again; meanwhile the picture stays, with a word about it.
    async fn reopen(&mut self, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Events> {
        let away = format!("{} went away; waiting for it", client.server());
        if !console.is_redrawn() {
            failure::note("unreachable", "The control plane went away", &away, console.format);
        }
        loop {
            if console.is_redrawn() {
                self.redraw(Some(&away), console)?;
            }
            sleep(RECONNECT).await;
            if let Ok(events) = Events::open(client, self.id.as_deref()).await {
                return Ok(events);
            }
        }
    }

    fn redraw(&mut self, note: Option<&str>, console: &mut Console<'_>) -> anyhow::Result<()> {
        let size = (console.size)();
        // What a larger or smaller screen shows of the picture before is cleared.
        let clear = if self.size.replace(size) == Some(size) { "" } else { CLEAR_ALL };
        let mut lines: Vec<String> = note.map(|note| console.paint.attention(note)).into_iter().collect();
        lines.extend(self.list.as_ref().map(|list| picture(list, self.id.is_some(), &self.proxies, console)).unwrap_or_default());
        // Without a line break after the last one, which would move everything up.
        let text = frame(&lines, size).iter().map(|line| format!("{line}{CLEAR_LINE}")).collect::<Vec<_>>().join("\n");
        write!(console.out, "{clear}{HOME}{text}{CLEAR_BELOW}")?;
        Ok(console.out.flush()?)
    }
}

fn picture(list: &RolloutList, single: bool, proxies: &ProxyList, console: &Console<'_>) -> Vec<String> {
    match list.rollouts.first() {
        Some(view) if single => one::tree(view, proxies, console.paint, console.now(), &console.zone),
        _ => all::narrow(list, console.paint, console.now(), &console.zone),
    }
}

/// One line for each Rollout that made a transition.
fn news(list: &RolloutList, said: &mut Said, console: &mut Console<'_>) -> anyhow::Result<()> {
    for view in &list.rollouts {
        let news = (view.revision, view.phase);
        if said.insert(view.id.clone(), news) != Some(news) {
            let line = line(view, console.paint);
            console.line(&format!("{} {line}", time(console.now(), &console.zone)))?;
        }
    }
    Ok(console.out.flush()?)
}

fn line(view: &RolloutStatus, paint: Paint) -> String {
    let step = view.step.as_ref().map(|step| format!(" {}/{} {}", step.number, step.of, step.text)).unwrap_or_default();
    format!("{} {}{step}: {}", view.id, paint.phase(view.phase), tame(&view.message))
}
