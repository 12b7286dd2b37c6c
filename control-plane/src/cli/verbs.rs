//! `promote`, `pause`, `resume`, `abort`, `retry`: look, then say what to do with what was seen.

use clap::Args;
use shunt_api::Accepted;
use shunt_api::commands::CommandBody;
use shunt_core::Verb;
use shunt_core::status::RolloutView;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::target::Target;

/// For `promote --help`.
pub(super) const PROMOTE: &str = "A proof cannot be skipped: a step waits until the proxies themselves report that they run it.

Examples:
  shunt promote shop/checkout
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
pub(super) const RETRY: &str = "The strategy starts again at its first step, with other users first.

Examples:
  shunt retry shop/checkout --reason 'the database is back'";

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

/// One verb. The revision seen goes with it, so that a second one sent by accident does nothing.
pub(crate) async fn run(verb: Verb, args: &VerbArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view: RolloutView = args.target.view(client).await?;
    let revision = Some(args.revision.unwrap_or(view.revision));
    let body = CommandBody { verb, revision, reason: args.reason.clone(), by: author() };
    let accepted: Accepted = client.post(&["rollouts", view.id.namespace(), view.id.name(), "commands"], &body).await?;
    accept(&view, &accepted, console)
}

/// Says what happened.
pub(crate) fn accept(view: &RolloutView, accepted: &Accepted, console: &mut Console<'_>) -> anyhow::Result<Exit> {
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
