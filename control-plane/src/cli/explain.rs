//! `shunt explain`: where would this request go, and why?

mod curl;
mod weight;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use shunt_api::explain::{Explanation, Question, explain_request};
use shunt_filter_core::{RolloutId, RoutingPolicy};

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::show::explanation;
use super::target::Target;
use weight::AtWeight;

const EXAMPLES: &str = "Examples:
  shunt explain --host shop.test
  shunt explain --host shop.test --path '/cart?beta=1' --header 'cookie: shunt-id=u1'
  shunt explain --host shop.test --method POST --header 'x-team: payments' -o json
  shunt explain shop/checkout -- curl -H 'cookie: shunt-id=u1' https://shop.test/cart
  shunt explain --curl \"$(pbpaste)\"                         what a browser copied as cURL
  shunt explain --host shop.test --header 'cookie: shunt-id=u1' --at-weight 25     would this user be on the candidate?
  shunt explain --host shop.test --policy envoy/static/policy.yaml     without a control plane";

/// The request.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// The Rollout that should decide; said when it is another one's request
    #[arg(value_name = "NAME")]
    target: Option<Target>,

    /// What the client asks for, with its port if it has one
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present_any = ["curl", "command"])]
    host: Option<String>,

    /// The request as a curl command, in one argument
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["host", "path", "method", "headers"])]
    curl: Option<String>,

    /// The request as a curl command, after `--`
    #[arg(last = true, value_name = "CURL", conflicts_with_all = ["curl", "host", "path", "method", "headers"])]
    command: Vec<String>,

    /// As if the version being released had this share of the keys, percent; VERSION=PERCENT where several share them
    #[arg(long, value_name = "[VERSION=]PERCENT")]
    at_weight: Option<AtWeight>,

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

    /// Decide with the policy in this file instead of asking the control plane: alone, for Envoy (envoy/static), or of Istio (istio)
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
    fn question(&self) -> anyhow::Result<Question> {
        let pasted = match (&self.curl, self.command.is_empty()) {
            (Some(line), _) => Some(curl::line(line)),
            (None, false) => Some(curl::words_of(&self.command)),
            (None, true) => None,
        };
        let asked = match pasted {
            Some(pasted) => pasted?,
            None => Question {
                method: self.method.clone(),
                host: self.host.clone().unwrap_or_default(),
                path: self.path.clone(),
                headers: self.headers.clone(),
                namespace: None,
            },
        };
        Ok(Question { namespace: self.namespace.clone(), ..asked })
    }
}

/// `shunt explain`
pub(crate) async fn run(args: &ExplainArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let question = args.question()?;
    let mut answer: Explanation = match (&args.policy, &args.at_weight) {
        (None, None) => client.post(&["explain"], &question).await?,
        (Some(file), at) => decide(super::lint::policy::read(file)?, at.as_ref(), &question).with_context(|| file.display().to_string())?,
        (None, at) => decide(client.get(&["policy"]).await?, at.as_ref(), &question)?,
    };
    if let Some(at) = &args.at_weight {
        answer.notes.insert(0, format!("as if it were: {at}"));
    }
    if let (Some(target), false) = (&args.target, args.policy.is_some()) {
        answer.notes.extend(other(&target.id(client).await?, &answer, &question));
    }
    console.show(&answer, |console| explanation::lines(&question, &answer, console.paint))?;
    Ok(Exit::Done)
}

/// The request is not one that this Rollout decides.
fn other(meant: &RolloutId, answer: &Explanation, question: &Question) -> Option<String> {
    match &answer.rollout {
        Some(decides) if decides == meant => None,
        Some(decides) => Some(format!("{meant} does not decide this: {} is a host of {decides}", question.host)),
        None => Some(format!("{meant} does not decide this: {} is not one of its hosts", question.host)),
    }
}

fn decide(policy: RoutingPolicy, at: Option<&AtWeight>, question: &Question) -> anyhow::Result<Explanation> {
    let policy = match at {
        Some(at) => at.applied(policy, &question.host)?,
        None => policy,
    };
    explain_request(&policy, &[], question).map_err(|problem| anyhow::anyhow!("{problem}"))
}
