//! `shunt freeze`, `shunt unfreeze`: nothing goes forward, anywhere, until an operator ends it.

use clap::Args;
use shunt_api::freeze::FreezeBody;
use shunt_core::observation::Freeze;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::paint::tame;
use super::text::time;
use super::verbs::author;

const FREEZE: &str = "Aborts and rollbacks work meanwhile. Without --reason: shows whether something is frozen, and why.

Examples:
  shunt freeze --reason 'incident 4711'
  shunt freeze
  shunt unfreeze";

const UNFREEZE: &str = "Releases go on from where they stand.

Examples:
  shunt unfreeze";

/// Why.
#[derive(Debug, Args)]
#[command(after_help = FREEZE)]
pub(crate) struct FreezeArgs {
    /// Why: everybody whose release stands still will read it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Nothing to choose.
#[derive(Debug, Args)]
#[command(after_help = UNFREEZE)]
pub(crate) struct UnfreezeArgs {}

/// `shunt freeze`
pub(crate) async fn freeze(args: &FreezeArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let now: Freeze = match &args.reason {
        Some(reason) => client.put(&["freeze"], &FreezeBody { by: author(), reason: reason.clone() }).await?,
        None => client.get(&["freeze"]).await?,
    };
    say(&now, console)
}

/// `shunt unfreeze`
pub(crate) async fn unfreeze(_: &UnfreezeArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let now: Freeze = client.delete_for(&["freeze"]).await?;
    say(&now, console)
}

fn say(freeze: &Freeze, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    console.show(freeze, |console| {
        vec![match freeze {
            Freeze::Off => "nothing is frozen".to_owned(),
            Freeze::On { by, reason, since } => {
                let since = time(*since, &console.zone);
                format!("{} by {} since {since}: {}", console.paint.attention("frozen"), tame(by), tame(reason))
            }
        }]
    })?;
    Ok(Exit::Done)
}
