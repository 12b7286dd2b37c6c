//! `shunt release`: changes the one line `release:` of the manifest.

use clap::Args;
use shunt_api::Accepted;
use shunt_api::commands::ReleaseBody;
use shunt_filter_core::VersionName;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::target::Target;
use super::verbs::{accept, author};

const EXAMPLES: &str = "The strategy of the Rollout then runs; naming the stable version again rolls back.

Examples:
  shunt release shop/checkout v2 --reason 'ticket 812'
  shunt release shop/checkout v2 && shunt status shop/checkout --wait --timeout 30m";

/// What to release.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReleaseArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// The version that should be stable; one of the manifest's
    #[arg(value_name = "VERSION")]
    version: VersionName,

    /// Why, for history and audit
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

/// `shunt release`
pub(crate) async fn run(args: &ReleaseArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view = args.target.view(client).await?;
    let body = ReleaseBody { version: args.version.clone(), reason: args.reason.clone(), by: author() };
    let accepted: Accepted = client.post(&["rollouts", view.id.namespace(), view.id.name(), "release"], &body).await?;
    accept(&view, &accepted, console)
}
