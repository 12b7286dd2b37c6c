//! `shunt delete`: a Rollout's manifest is taken out, and the Rollout ends.

use clap::Args;
use shunt_api::Accepted;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::paint::tame;
use super::target::Target;

const EXAMPLES: &str =
    "The manifest is taken out of its file in the folder of `shunt serve --config`, others in it stay. All keys go back to stable first,
then the service leaves the policy, then its routes and instances go. Its history stays: should the manifest come back, the
Rollout goes on from the version that was stable.

Deleting the file does the same after a while (`shunt serve --removal-delay`), unless the folder is empty then: an empty folder
ends nothing, so the last Rollout is ended with this command.

Examples:
  shunt delete shop/checkout";

/// Which Rollout.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeleteArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,
}

/// `shunt delete`
pub(crate) async fn run(args: &DeleteArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let view = args.target.view(client).await?;
    let accepted: Accepted = client.delete_for(&["rollouts", view.id.namespace(), view.id.name()]).await?;
    console.show(&accepted, |_| vec![tame(&accepted.message)])?;
    Ok(Exit::Done)
}
