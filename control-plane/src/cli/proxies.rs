//! `shunt proxies`: who gets the policy, and how far each has come.

use clap::Args;
use shunt_api::proxies::ProxyList;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::show::proxies;

/// Nothing to choose.
#[derive(Debug, Args)]
#[command(after_help = "A version is taken away only when every expected proxy has agreed or is gone.\n\
    One that will never come back is told so: `shunt forget NODE`.")]
pub(crate) struct ProxiesArgs {}

/// `shunt proxies`
pub(crate) async fn run(client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let list: ProxyList = client.get(&["proxies"]).await?;
    console.show(&list, |console| proxies::table(&list, console.paint, console.now()))?;
    Ok(Exit::Done)
}
