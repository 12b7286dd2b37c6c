//! `shunt history`: what a Rollout did, and why.

use clap::Args;
use shunt_api::rollouts::History;
use shunt_core::replay::Incident;

use super::client::Client;
use super::console::{Console, Format};
use super::exit::Exit;
use super::show::transitions;
use super::target::Target;

const EXAMPLES: &str = "Examples:
  shunt history shop/checkout
  shunt history shop/checkout --limit 500 -o json > incident.json     for a report, or for `shunt replay`";

/// Whose history.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// NAMESPACE/NAME (also of a Rollout whose manifest is gone), or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// At most so many of the newest transitions
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// `shunt history`
pub(crate) async fn run(args: &HistoryArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let id = args.target.id(client).await?;
    let limit = args.limit.to_string();
    if console.format != Format::Text {
        let incident: Incident = client.get_with(&["rollouts", id.namespace(), id.name(), "journal"], &[("limit", &limit)]).await?;
        console.show(&incident, |_| Vec::new())?;
        return Ok(Exit::Done);
    }
    let history: History = client.get_with(&["rollouts", id.namespace(), id.name(), "history"], &[("limit", &limit)]).await?;
    console.show(&history, |console| match history.entries.is_empty() {
        true => vec![format!("{id} has made no transition yet")],
        false => transitions::lines(&history, console.paint, &console.zone),
    })?;
    Ok(Exit::Done)
}
