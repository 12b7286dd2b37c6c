//! `shunt explain`: where would this request go, and why?

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shunt_api::explain::{Explanation, Question, explain_request};
use shunt_filter_core::RoutingPolicy;

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::show::explanation;

const EXAMPLES: &str = "Examples:
  shunt explain --host shop.test
  shunt explain --host shop.test --path '/cart?beta=1' --header 'cookie: shunt-id=u1'
  shunt explain --host shop.test --method POST --header 'x-team: payments' -o json
  shunt explain --host shop.test --policy policy.json       without a control plane";

/// The request.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// What the client asks for, with its port if it has one
    #[arg(long, value_name = "HOST[:PORT]")]
    host: String,

    /// With the query
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,

    /// The method
    #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,

    /// A request header; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,

    /// The caller's namespace, for short host names
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Decide with this policy (JSON or YAML, as the filter gets it) instead of asking the control plane
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
        _ => Err("write a header as 'name: value'".to_owned()),
    }
}

impl ExplainArgs {
    fn question(&self) -> Question {
        Question {
            method: self.method.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            headers: self.headers.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

/// `shunt explain`
pub(crate) async fn run(args: &ExplainArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let question = args.question();
    let answer: Explanation = match &args.policy {
        Some(file) => offline(file, &question)?,
        None => client.post(&["explain"], &question).await?,
    };
    console.show(&answer, |console| explanation::lines(&question, &answer, console.paint))?;
    Ok(Exit::Done)
}

fn offline(file: &PathBuf, question: &Question) -> anyhow::Result<Explanation> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let policy: RoutingPolicy = serde_saphyr::from_str(&text).with_context(|| format!("{} is not a routing policy", file.display()))?;
    explain_request(&policy, &[], question).map_err(|problem| anyhow::anyhow!("{}: {problem}", file.display()))
}
