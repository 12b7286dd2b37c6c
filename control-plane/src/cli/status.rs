//! `shunt status`: one line and an exit code, for pipelines.

use std::time::Duration;

use clap::Args;
use shunt_core::status::RolloutView;
use shunt_core::{Phase, Span};
use shunt_filter_core::VersionName;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::Client;
use super::console::{Console, Format};
use super::events::Events;
use super::exit::{self, Exit};
use super::paint::tame;
use super::target::Target;

/// Before a server that went away is asked again.
const RECONNECT: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "Examples:
  shunt status shop/checkout
  shunt status shop/checkout --wait --timeout 30m
  shunt status shop/checkout --wait --release v2     also waits until the changed manifest is read";

/// What to wait for.
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::TABLE))]
pub(crate) struct StatusArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// Wait until the run has ended or waits for somebody; a server that restarts meanwhile is waited for, too
    #[arg(long)]
    wait: bool,

    /// How long to wait: a whole number with its unit (ms, s, m, h, d)
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "wait")]
    timeout: Span,

    /// It counts only once the manifest that is read releases this version
    #[arg(long, value_name = "VERSION")]
    release: Option<VersionName>,

    /// With --wait: go on waiting while it is paused
    #[arg(long, requires = "wait")]
    through_pauses: bool,
}

/// `shunt status`
pub(crate) async fn run(args: &StatusArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view = args.target.view(client).await?;
    let id = view.id.to_string();
    let mut seen = Seen { last: None, exit: Exit::Progressing };
    seen.take(args, &view, console)?;
    if !args.wait || args.ends(seen.exit) {
        return finish(seen, args, view, console);
    }
    let deadline = Instant::now() + Duration::from_millis(args.timeout.0);
    let mut view = view;
    loop {
        match timeout_at(deadline, next(client, &id, args, &mut seen, &mut view, console)).await {
            Ok(Ok(())) => return finish(seen, args, view, console),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                eprintln!("timed out after {}: {} is {:?}: {}", args.timeout, view.id, view.phase, tame(&view.message));
                return Ok(Exit::TimedOut);
            }
        }
    }
}

/// Follows it until it has ended.
async fn next(
    client: &Client,
    id: &str,
    args: &StatusArgs,
    seen: &mut Seen,
    view: &mut RolloutView,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    loop {
        if let Ok(mut events) = Events::open(client, Some(id)).await {
            while let Ok(Some(list)) = events.next().await {
                let Some(now) = list.rollouts.into_iter().next() else {
                    anyhow::bail!("{id} is gone: its manifest was deleted");
                };
                seen.take(args, &now, console)?;
                *view = now;
                if args.ends(seen.exit) {
                    return Ok(());
                }
            }
        }
        sleep(RECONNECT).await;
    }
}

/// What was said last, and how it stands.
struct Seen {
    last: Option<String>,
    exit: Exit,
}

impl Seen {
    /// A line whenever something people care about has changed.
    fn take(&mut self, args: &StatusArgs, view: &RolloutView, console: &mut Console<'_>) -> anyhow::Result<()> {
        self.exit = args.exit(view);
        let step = view.step.as_ref().map(|step| format!(" {}/{} {}", step.number, step.of, step.text)).unwrap_or_default();
        let key = format!("{:?}{step}", view.phase);
        if console.format == Format::Text && self.last.as_ref() != Some(&key) {
            console.line(&format!("{} {}{step}: {}", view.id, console.paint.phase(view.phase), tame(&view.message)))?;
            console.out.flush()?;
            self.last = Some(key);
        }
        Ok(())
    }
}

fn finish(seen: Seen, _args: &StatusArgs, view: RolloutView, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    if console.format != Format::Text {
        console.show(&view, |_| Vec::new())?;
    }
    Ok(seen.exit)
}

impl StatusArgs {
    /// Healthy only counts when what is released is stable: a changed manifest may be read but not begun.
    fn exit(&self, view: &RolloutView) -> Exit {
        let awaited = self.release.as_ref().is_some_and(|release| *release != view.release);
        match view.phase {
            _ if awaited => Exit::Progressing,
            Phase::Healthy if view.stable == view.release => Exit::Done,
            Phase::Healthy | Phase::Progressing => Exit::Progressing,
            Phase::Paused => Exit::Paused,
            Phase::Degraded => Exit::Degraded,
        }
    }

    fn ends(&self, exit: Exit) -> bool {
        match exit {
            Exit::Done | Exit::Degraded => true,
            Exit::Paused => !self.through_pauses,
            Exit::Wrong | Exit::TimedOut | Exit::Progressing => false,
        }
    }
}
