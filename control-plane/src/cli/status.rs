//! `shunt status`: one line and an exit code, for pipelines.

use std::time::Duration;

use clap::Args;
use shunt_core::Phase;
use shunt_core::status::RolloutStatus;
use shunt_filter_core::VersionName;
use shunt_spec::Span;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::Client;
use super::console::{Console, Format};
use super::events::Events;
use super::exit::{self, Exit};
use super::failure;
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

    /// Wait until the run has ended, with its keys where they belong, or waits for a person; also while the server restarts
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
    let mut followed = Followed { view: args.target.view(client).await?, said: String::new() };
    followed.say(console)?;
    if args.wait && !args.ends(&followed.view) {
        let deadline = Instant::now() + Duration::from_millis(args.timeout.0);
        match timeout_at(deadline, followed.follow(args, client, console)).await {
            Ok(ended) => ended?,
            Err(_) => {
                let RolloutStatus { id, phase, message, .. } = &followed.view;
                let detail = format!("timed out after {}: {id} is {phase:?}: {}", args.timeout, tame(message));
                failure::note("timed-out", "The time given is over", &detail, console.format);
                return Ok(Exit::TimedOut);
            }
        }
    }
    if console.format != Format::Text {
        console.show(&followed.view, |_| Vec::new())?;
    }
    Ok(args.exit(&followed.view))
}

/// A Rollout as last seen, and what was said of it last.
struct Followed {
    view: RolloutStatus,
    said: String,
}

impl Followed {
    /// Until it has ended. A server that goes away is asked again.
    async fn follow(&mut self, args: &StatusArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<()> {
        let id = self.view.id.to_string();
        loop {
            if let Ok(mut events) = Events::open(client, Some(&id)).await {
                while let Ok(Some(list)) = events.next().await {
                    let Some(view) = list.rollouts.into_iter().next() else {
                        anyhow::bail!("{id} is gone: its manifest was deleted");
                    };
                    self.view = view;
                    self.say(console)?;
                    if args.ends(&self.view) {
                        return Ok(());
                    }
                }
            }
            sleep(RECONNECT).await;
        }
    }

    /// A line whenever phase or step have changed.
    fn say(&mut self, console: &mut Console<'_>) -> anyhow::Result<()> {
        let RolloutStatus { id, phase, message, .. } = &self.view;
        let step = self.view.step.as_ref().map(|step| format!(" {}/{} {}", step.number, step.of, step.text)).unwrap_or_default();
        let news = format!("{phase:?}{step}{}", self.view.is_over());
        if console.format == Format::Text && self.said != news {
            console.line(&format!("{id} {}{step}: {}", console.paint.phase(*phase), tame(message)))?;
            console.out.flush()?;
            self.said = news;
        }
        Ok(())
    }
}

/// Healthy only counts when what is released is stable: a changed manifest may be read but not begun.
pub(super) fn code(view: &RolloutStatus) -> Exit {
    match view.phase {
        Phase::Healthy if view.concluded.is_some() => Exit::Concluded,
        Phase::Healthy if view.stable == view.release => Exit::Done,
        Phase::Healthy | Phase::Progressing => Exit::Progressing,
        Phase::Paused => Exit::Paused,
        Phase::Degraded | Phase::Rejected => Exit::Degraded,
    }
}

impl StatusArgs {
    fn exit(&self, view: &RolloutStatus) -> Exit {
        let awaited = self.release.as_ref().is_some_and(|release| *release != view.release);
        if awaited { Exit::Progressing } else { code(view) }
    }

    fn ends(&self, view: &RolloutStatus) -> bool {
        match self.exit(view) {
            // A refused release whose keys are still on their way back is not over.
            Exit::Done | Exit::Degraded | Exit::Concluded => view.is_over(),
            Exit::Paused => !self.through_pauses,
            Exit::Wrong | Exit::Unreadable | Exit::TimedOut | Exit::Progressing => false,
        }
    }
}
