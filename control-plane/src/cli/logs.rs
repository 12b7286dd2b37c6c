//! `shunt logs`: what instances write.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use shunt_api::logs::{Log, Logs};
use shunt_filter_core::{RolloutId, VersionName};

use super::client::{Client, ClientError};
use super::console::{Console, Format};
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::target::Target;

/// How often `--follow` asks for more.
const LOOK: Duration = Duration::from_millis(500);

const EXAMPLES: &str = "Of instances that Shunt runs (versions by `command`): those that are there, or else the last one. `shunt get NAME` shows their numbers, exit
codes and restarts; of those that are gone, the last ten per version can be named with --instance. Needs a token of the role operate,
where there are tokens.

Examples:
  shunt logs shop/checkout
  shunt logs shop/checkout v2 --tail 1000
  shunt logs shop/checkout --instance 7 --follow";

/// Which, and how much.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogsArgs {
    /// NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(value_name = "NAME")]
    target: Target,

    /// Only of this version
    #[arg(value_name = "VERSION")]
    version: Option<VersionName>,

    /// Only of this instance, also when it is gone
    #[arg(long, value_name = "N")]
    instance: Option<u64>,

    /// Lines of each instance, from its end
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    tail: u32,

    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

/// `shunt logs`
pub(crate) async fn run(args: &LogsArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let id = args.target.id(client).await?;
    let mut reader = Reader { args, client, id, places: BTreeMap::new() };
    let first = reader.next(args.tail).await?;
    if !args.follow {
        console.show(&first, |console| match first.logs.iter().all(|log| log.text.is_empty() && log.unfinished.is_empty()) {
            true => vec!["Nothing is written yet.".to_owned()],
            false => lines(&first, true, console.paint),
        })?;
        return Ok(Exit::Done);
    }
    let mut page = first;
    loop {
        if page.logs.iter().any(|log| !log.text.is_empty()) {
            show(&page, console)?;
        }
        if !page.logs.iter().any(|log| log.more) {
            tokio::time::sleep(LOOK).await;
        }
        // Of an instance that is new, all that it wrote meanwhile.
        page = reader.next(10_000).await?;
    }
}

struct Reader<'a> {
    args: &'a LogsArgs,
    client: &'a Client,
    id: RolloutId,
    places: BTreeMap<u64, u64>,
}

impl Reader<'_> {
    /// What was written since the last time.
    async fn next(&mut self, tail: u32) -> Result<Logs, ClientError> {
        let after: Vec<String> = self.places.iter().map(|(instance, next)| format!("{instance}:{next}")).collect();
        let (tail, after) = (tail.to_string(), after.join(","));
        let version = self.args.version.as_ref().map(ToString::to_string);
        let instance = self.args.instance.map(|instance| instance.to_string());
        let query = [("tail", Some(&tail)), ("after", Some(&after)), ("version", version.as_ref()), ("instance", instance.as_ref())];
        let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?.as_str()))).collect();
        let page: Logs = self.client.get_with(&["rollouts", self.id.namespace(), self.id.name(), "logs"], &query).await?;
        // Those of instances that are gone are not asked for again: the query stays short.
        self.places = page.logs.iter().map(|log| (log.instance, log.next)).collect();
        Ok(page)
    }
}

fn show(page: &Logs, console: &mut Console<'_>) -> anyhow::Result<()> {
    match console.format {
        Format::Text => {
            lines(page, false, console.paint).iter().try_for_each(|line| console.line(line))?;
            Ok(console.out.flush()?)
        }
        Format::Json | Format::Yaml => console.show_next(page, |_| Vec::new()),
    }
}

/// Each line behind its version and instance, unless all are of one.
fn lines(page: &Logs, all: bool, paint: Paint) -> Vec<String> {
    let named = page.logs.len() > 1;
    let names: Vec<String> = page.logs.iter().map(|log| format!("{}/{}", log.version, log.instance)).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let of = |(log, name): (&Log, &String)| {
        let prefix = if named { paint.dim(&format!("{name:width$} │ ")) } else { String::new() };
        let rest = Some(log.unfinished.as_str()).filter(|rest| all && !rest.is_empty());
        log.text.lines().chain(rest).map(|line| format!("{prefix}{}", tabs(line))).collect::<Vec<_>>()
    };
    page.logs.iter().zip(&names).flat_map(of).collect()
}

/// Without what a terminal would take for an order; tabs stay.
fn tabs(line: &str) -> String {
    line.split('\t').map(tame).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(instance: u64, text: &str, unfinished: &str) -> Log {
        let version = "v2".parse().unwrap();
        Log { version, instance, text: text.to_owned(), unfinished: unfinished.to_owned(), next: 0, more: false }
    }

    #[test]
    fn one_log_has_no_names_before_its_lines() {
        let page = Logs { logs: vec![log(7, "a\tb\nc \u{1b}[2J\n", "d")] };
        assert_eq!(lines(&page, true, Paint::Plain), ["a\tb", "c \u{fffd}[2J", "d"]);
        assert_eq!(lines(&page, false, Paint::Plain).len(), 2, "a line that is being written comes when it is whole");
    }

    #[test]
    fn several_do() {
        let page = Logs { logs: vec![log(7, "a\n", ""), log(12, "b\n", "")] };
        assert_eq!(lines(&page, true, Paint::Plain), ["v2/7  │ a", "v2/12 │ b"]);
    }
}
