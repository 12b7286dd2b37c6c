//! `promote`, `pause`, `resume`, `abort`, `retry`: look, then say what to do with what was seen.

use std::io::IsTerminal;

use clap::Args;
use shunt_api::Accepted;
use shunt_api::commands::CommandBody;
use shunt_core::Verb;
use shunt_core::status::RolloutStatus;
use shunt_filter_core::VersionName;
use shunt_spec::plan::StepKind;

use super::client::{Client, is_stale};
use super::console::Console;
use super::exit::Exit;
use super::target::Target;

/// For `promote --help`.
pub(super) const PROMOTE: &str = "A proof cannot be skipped: a step waits until the proxies themselves report that they run it.

Examples:
  shunt promote shop/checkout
  shunt promote shop/checkout --full --reason 'a fix'     skips the steps that are left
  shunt promote shop/checkout --to 3                      skips the steps before the third
  shunt promote shop/rank --yes                           although its A/B test is undecided, or speaks against it
  shunt promote checkout --reason 'looks good' --revision 12     only if nothing has happened since";

/// For `pause --help`.
pub(super) const PAUSE: &str = "Users keep the version they have. `shunt resume` goes on, `shunt abort` goes back.

Examples:
  shunt pause shop/checkout --reason 'error budget is spent'";

/// For `resume --help`.
pub(super) const RESUME: &str = "Examples:
  shunt resume shop/checkout";

/// For `abort --help`.
pub(super) const ABORT: &str = "The phase is Degraded until `release:` names another version, or `shunt retry`.

Examples:
  shunt abort shop/checkout --reason 'wrong prices'";

/// For `retry --help`.
pub(super) const RETRY: &str =
    "The strategy starts again at its first step, with other users first; or at another step, also in a running release.

Examples:
  shunt retry shop/checkout --from 2
  shunt retry shop/checkout --reason 'the database is back'";

/// For `approve --help`.
pub(super) const APPROVE: &str =
    "Who approves, and why, stands in the journal. Only where the release waits for an operator: `shunt promote` ends other waits.

Examples:
  shunt approve shop/checkout --reason 'change 4711 is signed'";

/// `promote`
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    verb: VerbArgs,

    /// Skip all steps that are left
    #[arg(long, conflicts_with = "to")]
    full: bool,

    /// Skip the steps before this one, counted from 1
    #[arg(long, value_name = "STEP", value_parser = step)]
    to: Option<usize>,

    /// Do not ask, where an A/B test is undecided or speaks against it
    #[arg(long)]
    yes: bool,
}

/// `retry`
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    verb: VerbArgs,

    /// Start at this step, counted from 1; in a running release: go back to it
    #[arg(long, value_name = "STEP", value_parser = step)]
    from: Option<usize>,
}

fn step(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("steps are counted from 1".to_owned()),
        Ok(step) => Ok(step),
    }
}

/// `shunt promote`
pub(crate) async fn promote(args: &PromoteArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let verb = match (args.full, args.to) {
        (true, _) => Verb::PromoteFull,
        (false, Some(step)) => Verb::PromoteTo { step },
        (false, None) => Verb::Promote,
    };
    let view: RolloutStatus = args.verb.target.view(client).await?;
    let confirm = match doubt(&view) {
        None => false,
        Some(doubt) if args.yes || agreed(&view, &doubt, console)? => true,
        Some(doubt) => anyhow::bail!("{doubt}\nNothing was promoted: `--yes` promotes all the same."),
    };
    send(verb, &args.verb, &view, confirm, client, console).await
}

/// Why a running A/B test does not speak for the promotion.
fn doubt(view: &RolloutStatus) -> Option<String> {
    let tests = view.step.as_ref().is_some_and(|step| step.kind == StepKind::AbTest);
    view.candidate.as_ref().filter(|_| tests).and_then(|candidate| view.contest.doubt(candidate))
}

/// Asks at a terminal; elsewhere the answer is no.
fn agreed(view: &RolloutStatus, doubt: &str, console: &Console<'_>) -> anyhow::Result<bool> {
    let candidate = view.candidate.as_ref().map(VersionName::as_str).unwrap_or_default();
    if !console.live || !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    eprint!("{}\nPromote {candidate} all the same? [y/N] ", super::paint::tame(doubt));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// `shunt retry`
pub(crate) async fn retry(args: &RetryArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let verb = args.from.map_or(Verb::Retry, |step| Verb::RestartFrom { step });
    run(verb, &args.verb, client, console).await
}

/// `shunt approve`: ends the wait at a gate, and no other one.
pub(crate) async fn approve(args: &VerbArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view: RolloutStatus = args.target.view(client).await?;
    let at_gate = view.step.as_ref().is_some_and(|step| step.kind == StepKind::Gate);
    anyhow::ensure!(
        at_gate,
        "{} does not wait at a gate: {}\n`shunt promote {}` ends another wait.",
        view.id,
        super::paint::tame(&view.message),
        view.id
    );
    send(Verb::Promote, args, &view, false, client, console).await
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct VerbArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// Why, for the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    /// Only if it is still at this revision [default: what it is when the command looks]
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// How often a command is sent when the Rollout records something between the look and the command.
const TRIES: usize = 5;

/// One verb. The revision seen goes with it, so that a second one sent by accident does nothing. Where the operator named no revision
/// and what was recorded meanwhile changed nothing to decide about, it is sent again: `status --wait` is over before the last proof of a
/// way back is recorded.
pub(crate) async fn run(verb: Verb, args: &VerbArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let mut view: RolloutStatus = args.target.view(client).await?;
    for _ in 1..TRIES {
        let sent = send(verb, args, &view, false, client, console).await;
        let Err(error) = &sent else { return sent };
        if args.revision.is_some() || !is_stale(error) {
            return sent;
        }
        let now: RolloutStatus = args.target.view(client).await?;
        if !decides_alike(&view, &now) {
            return sent;
        }
        view = now;
    }
    send(verb, args, &view, false, client, console).await
}

/// Whether an operator who decided by the one view would decide the same by the other.
fn decides_alike(a: &RolloutStatus, b: &RolloutStatus) -> bool {
    let step = |view: &RolloutStatus| view.step.as_ref().map(|step| step.number);
    let what = |view: &RolloutStatus| (view.phase, view.attempt, view.stable.clone(), view.candidate.clone(), view.release.clone());
    what(a) == what(b) && step(a) == step(b)
}

async fn send(
    verb: Verb,
    args: &VerbArgs,
    view: &RolloutStatus,
    confirm: bool,
    client: &Client,
    console: &mut Console<'_>,
) -> anyhow::Result<Exit> {
    let revision = Some(args.revision.unwrap_or(view.revision));
    let body = CommandBody { verb, revision, reason: args.reason.clone(), by: author(), confirm };
    let accepted: Accepted = client.post(&["rollouts", view.id.namespace(), view.id.name(), "commands"], &body).await?;
    accept(view, &accepted, console)
}

/// Says what happened.
pub(crate) fn accept(view: &RolloutStatus, accepted: &Accepted, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    console.show(accepted, |console| {
        let revision = console.paint.dim(&format!("(revision {})", accepted.revision));
        vec![format!("{}: {} {revision}", view.id, super::paint::tame(&accepted.message))]
    })?;
    Ok(Exit::Done)
}

/// Who asks, for the journal.
pub(crate) fn author() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "cli".to_owned())
}
