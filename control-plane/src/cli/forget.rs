//! `shunt forget`: a proxy is gone for good.

use clap::Args;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;

const EXAMPLES: &str = "Only for a proxy that will never come back: versions it may still send requests to can be taken away afterwards.
One that does come back is expected again from its first connection on.

Examples:
  shunt forget edge-2";

/// Which proxy.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForgetArgs {
    /// Its node id, as `shunt proxies` shows it
    #[arg(value_name = "NODE")]
    node: String,
}

/// `shunt forget`
pub(crate) async fn run(args: &ForgetArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    client.delete(&["proxies", &args.node]).await?;
    let done = serde_json::json!({ "forgotten": args.node });
    console.show(&done, |_| vec![format!("{} is not waited for any more", args.node)])?;
    Ok(Exit::Done)
}
