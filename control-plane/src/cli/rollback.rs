//! `shunt rollback`: the release goes back, and with it everybody.

use clap::Args;
use shunt_api::Accepted;
use shunt_api::commands::RollbackBody;
use shunt_filter_core::VersionName;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::target::Target;
use super::verbs::{accept, author};

const EXAMPLES: &str =
    "Writes `release:` of the manifest, as `shunt release` does. At once while the old version is kept warm (keepOld) or was stable within
rollbackWindow; otherwise through the steps. After a pointOfNoReturn it is refused: release a newer version instead.

Examples:
  shunt rollback shop/checkout --reason 'wrong prices'
  shunt rollback shop/checkout --to v41 && shunt status shop/checkout --wait";

/// What to take back.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RollbackArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// The version to go back to [default: stable while a release runs, else the one that was stable before]
    #[arg(long, value_name = "VERSION")]
    to: Option<VersionName>,

    /// Why, for history and audit
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// `shunt rollback`
pub(crate) async fn run(args: &RollbackArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view = args.target.view(client).await?;
    let body = RollbackBody { to: args.to.clone(), reason: args.reason.clone(), by: author() };
    let accepted: Accepted = client.post(&["rollouts", view.id.namespace(), view.id.name(), "rollback"], &body).await?;
    accept(&view, &accepted, console)
}
