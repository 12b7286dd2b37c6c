//! `shunt get`: all Rollouts as a table, or one as a tree.

use clap::Args;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::{History, RolloutList};

use super::client::Client;
use super::console::{Console, Format};
use super::exit::Exit;
use super::show::{all, one, transitions};
use super::target::Target;

/// Entries that `--why` shows.
const WHY: &str = "8";

const EXAMPLES: &str = "Examples:
  shunt get                          all Rollouts
  shunt get shop/checkout            one, with versions, analysis, delivery and proxies
  shunt get checkout --why           also how it came here
  shunt get -o json | jq '.rollouts[].phase'";

/// What to show.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArgs {
    /// One Rollout: NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Option<Target>,

    /// Also show the last transitions and the reason of each
    #[arg(long, requires = "target")]
    why: bool,
}

/// `shunt get`
pub(crate) async fn run(args: &GetArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let Some(target) = &args.target else {
        let list: RolloutList = client.get(&["rollouts"]).await?;
        console.show(&list, |console| all::table(&list, console.paint))?;
        return Ok(Exit::Done);
    };
    let view = target.view(client).await?;
    if console.format != Format::Text && !args.why {
        console.show(&view, |_| Vec::new())?;
        return Ok(Exit::Done);
    }
    let history = match args.why {
        true => Some(client.get_with::<History>(&["rollouts", view.id.namespace(), view.id.name(), "history"], &[("limit", WHY)]).await?),
        false => None,
    };
    if console.format != Format::Text {
        console.show(&serde_json::json!({ "rollout": view, "history": history }), |_| Vec::new())?;
        return Ok(Exit::Done);
    }
    let proxies: ProxyList = client.get(&["proxies"]).await?;
    let mut lines = one::tree(&view, &proxies, console.paint, console.now(), &console.zone);
    if let Some(history) = &history {
        lines.extend(one::notes(&view, console.paint));
        lines.push(console.paint.bold("How it came here"));
        lines.extend(transitions::lines(history, console.paint, &console.zone));
    }
    lines.iter().try_for_each(|line| console.line(line))?;
    Ok(Exit::Done)
}
