//! `shunt audit`: who did what.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use shunt_api::access_store::AuditEntry;
use shunt_api::tokens::Audit;
use shunt_spec::{Span, Time};

use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::table::Table;
use super::target::Target;
use super::text::time;

const EXAMPLES: &str = "Everything that was asked to change something, also what was refused; the newest 100,000 are kept. Needs a token of the role admin, where
there are tokens. What Shunt did by itself stands in `shunt history`.

Examples:
  shunt audit
  shunt audit --rollout shop/checkout --since 7d
  shunt audit --since 2026-11-20T18:00:00Z --limit 1000 -o json | jq '.entries[] | select(.result != \"done\")'";

/// Which part of it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// Only what was done to this one: NAMESPACE/NAME, or NAME when only one namespace has it
    #[arg(long, value_name = "NAME")]
    rollout: Option<Target>,

    /// Only from then on: how long ago, for example 2h, or a point in time, for example 2026-11-21T10:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,

    /// At most so many of the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// `--since`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Ago(Span),
    At(Time),
}

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.parse::<Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
        match (text.parse::<Span>(), at) {
            (Ok(span), _) => Ok(Self::Ago(span)),
            (Err(_), Some(at)) => Ok(Self::At(Time(at))),
            (Err(_), None) => {
                Err(format!("{text:?} is neither a duration, for example 2h or 7d, nor a point in time, for example 2026-11-21T10:00:00Z"))
            }
        }
    }
}

impl Since {
    fn time(self, now: Time) -> Time {
        match self {
            Self::Ago(span) => Time(now.0.saturating_sub(span.0)),
            Self::At(time) => time,
        }
    }
}

/// `shunt audit`
pub(crate) async fn run(args: &AuditArgs, client: &Client, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let rollout = match &args.rollout {
        Some(target) => Some(target.id(client).await?.to_string()),
        None => None,
    };
    let (since, limit) = (args.since.map(|since| since.time(console.now()).0.to_string()), args.limit.to_string());
    let query = [("limit", Some(&limit)), ("rollout", rollout.as_ref()), ("since", since.as_ref())];
    let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?.as_str()))).collect();
    let audit: Audit = client.get_with(&["audit"], &query).await?;
    console.show(&audit, |console| match audit.entries.is_empty() {
        true => vec!["No client asked to change anything.".to_owned()],
        false => table(&audit.entries, console.paint, &console.zone),
    })?;
    Ok(Exit::Done)
}

/// Oldest first, as in a log.
fn table(entries: &[AuditEntry], paint: Paint, zone: &TimeZone) -> Vec<String> {
    let mut table = Table::new(paint, &["WHEN", "WHO", "FROM", "WHAT", "TO", "CAME TO", "WHY"], &[]);
    for AuditEntry { record, .. } in entries.iter().rev() {
        table.row([
            time(record.at, zone),
            tame(&record.by),
            record.address.clone(),
            tame(&record.verb),
            tame(&object(&record.object)),
            result(&record.result, record.status, paint),
            tame(&record.detail),
        ]);
    }
    table.lines()
}

/// A Rollout's name, and what of it; anything else as the API names it.
fn object(path: &str) -> String {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["rollouts", namespace, name] | ["rollouts", namespace, name, "commands" | "release" | "rollback"] => format!("{namespace}/{name}"),
        ["rollouts", namespace, name, "versions", version, "endpoints", address] => format!("{namespace}/{name} {version} {address}"),
        _ => path.to_owned(),
    }
}

fn result(result: &str, status: u16, paint: Paint) -> String {
    match status {
        200..=299 => paint.good(result),
        400..=499 => paint.attention(result),
        _ => paint.bad(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("2h", Ok(Since::Ago(Span::seconds(7_200))))]
    #[test_case("2026-11-21T10:00:15Z", Ok(Since::At(Time(1_795_255_215_000))))]
    #[test_case("yesterday", Err(()); "no guessing")]
    fn since(text: &str, expected: Result<Since, ()>) {
        assert_eq!(text.parse::<Since>().map_err(|_| ()), expected);
    }

    #[test]
    fn a_line_each_newest_last() {
        let entry = |id: u64, verb: &str, object: &str, detail: &str, status: u16, result: &str| AuditEntry {
            id,
            record: shunt_api::access_store::AuditRecord {
                at: Time(1_795_255_215_000 + id * 1_000),
                by: "ci".to_owned(),
                address: "192.0.2.7".to_owned(),
                verb: verb.to_owned(),
                object: object.to_owned(),
                detail: detail.to_owned(),
                status,
                result: result.to_owned(),
            },
        };
        let entries = [
            entry(2, "createToken", "tokens", "bob with the role read", 403, "forbidden"),
            entry(1, "abort", "rollouts/shop/checkout/commands", "wrong \u{1b}[2J prices", 200, "done"),
        ];
        assert_eq!(
            table(&entries, Paint::Plain, &TimeZone::UTC),
            [
                "WHEN                 WHO  FROM       WHAT         TO             CAME TO    WHY",
                "2026-11-21 10:00:16  ci   192.0.2.7  abort        shop/checkout  done       wrong \u{fffd}[2J prices",
                "2026-11-21 10:00:17  ci   192.0.2.7  createToken  tokens         forbidden  bob with the role read",
            ]
        );
    }

    #[test_case("rollouts/shop/checkout/commands", "shop/checkout")]
    #[test_case("rollouts/shop/checkout", "shop/checkout")]
    #[test_case("rollouts/shop/cart/versions/v3/endpoints/10.0.0.7:8080", "shop/cart v3 10.0.0.7:8080")]
    #[test_case("tokens/ci", "tokens/ci")]
    fn objects(path: &str, expected: &str) {
        assert_eq!(object(path), expected);
    }
}
