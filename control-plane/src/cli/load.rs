//! `shunt load`: users with cookies, for trying a release. No benchmark: it sends at a steady, modest rate.

mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::header::{COOKIE, HOST, SET_COOKIE};
use reqwest::{Client as Http, Response, Url};
use serde::Serialize;
use shunt_spec::Span;
use shunt_spec::plural::counted;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::console::{Console, Format};
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::table::Table;
use super::text::{count, share_of};
use tally::{Row, Sent, Tally};

/// Requests that may be on their way at once; further ones wait.
const OPEN: usize = 256;
/// A request without an answer by then has failed.
const ANSWER: Duration = Duration::from_secs(15);
/// Between two lines.
const LINE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "Each user keeps the cookies that answers set, as a browser does, so a user keeps its version. Sent are GET requests, one user after the
other; a line a second says who answered (by the header x-version), a table at the end says it all. Exit code 1: nothing answered.

Examples:
  shunt load http://127.0.0.1:10000 --host shop.test
  shunt load http://127.0.0.1:10000 --host shop.test --users 500 --rate 100 --duration 2m
  shunt load http://127.0.0.1:10000 --host shop.test --requests 1000 -o json | jq '.versions'";

/// How much, and where to.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoadArgs {
    /// Where to; this machine, unless --remote
    #[arg(value_name = "URL")]
    url: Url,

    /// The host that requests name [default: that of the URL]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// How many users
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,

    /// Requests a second, of all users together
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    rate: u32,

    /// How long: a whole number with its unit (s, m, h), at most 1h
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    duration: Span,

    /// End after so many requests, if that is earlier
    #[arg(long, value_name = "N")]
    requests: Option<u64>,

    /// Also send to another machine
    #[arg(long)]
    remote: bool,
}

fn duration(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: shunt_spec::time::SpanError| error.to_string())?;
    if (Span::millis(1)..=Span::seconds(3_600)).contains(&span) { Ok(span) } else { Err("write a duration of at most 1h".to_owned()) }
}

/// What came of it all.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    versions: Vec<Row>,
    /// Requests whose user had been answered by another version before.
    changed_version: u64,
}

/// `shunt load`
pub(crate) async fn run(args: &LoadArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let here = is_local(&args.url);
    anyhow::ensure!(
        here || args.remote,
        "{} is another machine: --remote sends there all the same, which its owner should know of",
        args.url
    );
    let http = Http::builder().no_proxy().timeout(ANSWER).redirect(reqwest::redirect::Policy::none()).build()?;
    let mut load =
        Load { args, http, jars: BTreeMap::new(), next: 0, sending: JoinSet::new(), all: Tally::default(), second: Tally::default() };
    load.send(console).await?;
    let summary = Summary { versions: load.all.rows(), changed_version: load.all.changed() };
    console.show(&summary, |console| lines(&summary, console.paint))?;
    Ok(if load.all.answered() == 0 { Exit::Wrong } else { Exit::Done })
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// One answer, with what its user should remember.
struct Answered {
    sent: Sent,
    cookies: Vec<(String, String)>,
}

/// What is under way.
struct Load<'a> {
    args: &'a LoadArgs,
    http: Http,
    /// Cookies by user.
    jars: BTreeMap<usize, BTreeMap<String, String>>,
    next: u64,
    sending: JoinSet<Answered>,
    all: Tally,
    second: Tally,
}

impl Load<'_> {
    /// Sends at a steady rate until it is over, then waits for what is open.
    async fn send(&mut self, console: &mut Console<'_>) -> anyhow::Result<()> {
        let mut pace = interval(Duration::from_secs_f64(1.0 / f64::from(self.args.rate)));
        // After a pause of this machine the lost requests are not sent at once.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (began, mut line) = (Instant::now(), interval(LINE));
        line.reset();
        let end = began + Duration::from_millis(self.args.duration.0);
        while Instant::now() < end && self.args.requests.is_none_or(|most| self.next < most) {
            tokio::select! {
                Some(answered) = self.sending.join_next() => self.take(answered?),
                _ = line.tick() => self.say(began.elapsed(), console)?,
                _ = pace.tick(), if self.sending.len() < OPEN => self.start(),
            }
        }
        while let Some(answered) = self.sending.join_next().await {
            self.take(answered?);
        }
        Ok(())
    }

    /// The next user's request, with the cookies that this user has by now.
    fn start(&mut self) {
        let user = usize::try_from(self.next % u64::from(self.args.users)).unwrap_or(0);
        self.next += 1;
        let mut request = self.http.get(self.args.url.clone());
        if let Some(host) = &self.args.host {
            request = request.header(HOST, host);
        }
        if let Some(jar) = self.jars.get(&user).filter(|jar| !jar.is_empty()) {
            request = request.header(COOKIE, jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; "));
        }
        self.sending.spawn(async move {
            let began = Instant::now();
            let response = whole(request).await;
            let took = began.elapsed();
            let header =
                |response: &Response, name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            match response {
                Ok(response) => Answered {
                    sent: Sent {
                        user,
                        version: header(&response, "x-version").unwrap_or_default(),
                        status: Some(response.status().as_u16()),
                        took,
                    },
                    cookies: response.headers().get_all(SET_COOKIE).iter().filter_map(|value| pair(value.to_str().ok()?)).collect(),
                },
                Err(_) => Answered { sent: Sent { user, version: String::new(), status: None, took }, cookies: Vec::new() },
            }
        });
    }

    fn take(&mut self, answered: Answered) {
        let jar = self.jars.entry(answered.sent.user).or_default();
        // The first one stays: of two requests at once a browser would keep one key, too.
        for (name, value) in answered.cookies {
            jar.entry(name).or_insert(value);
        }
        self.all.add(&answered.sent);
        self.second.add(&answered.sent);
    }

    /// `12s  v1 47 requests, 0 failed, p50 1.2 ms · v2 3 requests, 0 failed, p50 1.3 ms`
    fn say(&mut self, elapsed: Duration, console: &mut Console<'_>) -> anyhow::Result<()> {
        let rows = std::mem::take(&mut self.second).rows();
        if console.format != Format::Text {
            return Ok(());
        }
        let part = |row: &Row| {
            let requests = counted(row.requests, "request");
            format!("{} {requests}, {} failed, p50 {:.1} ms", tame(&row.version), row.failed, row.p50_ms)
        };
        let parts: Vec<String> = rows.iter().map(part).collect();
        let text = if parts.is_empty() { "no answer".to_owned() } else { parts.join(" · ") };
        console.line(&format!("{:>4}s  {text}", elapsed.as_secs()))?;
        Ok(console.out.flush()?)
    }
}

/// With its body, so that the connection is used again.
async fn whole(request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
    let mut response = request.send().await.context("no answer")?;
    while response.chunk().await?.is_some() {}
    Ok(response)
}

/// Name and value of a `set-cookie`.
fn pair(header: &str) -> Option<(String, String)> {
    let (name, value) = header.split(';').next()?.split_once('=')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

fn lines(summary: &Summary, paint: Paint) -> Vec<String> {
    let mut table = Table::new(paint, &["VERSION", "USERS", "REQUESTS", "FAILED", "P50", "P99", "STATUSES"], &[1, 2, 4, 5]);
    for row in &summary.versions {
        let statuses: Vec<String> = row.statuses.iter().map(|(status, number)| format!("{status}: {}", count(*number))).collect();
        let failed = format!("{}{}", count(row.failed), share_of(row.failed, row.requests));
        table.row([
            tame(&row.version),
            count(row.users as u64),
            count(row.requests),
            if row.failed > 0 { paint.attention(&failed) } else { failed },
            format!("{:.1} ms", row.p50_ms),
            format!("{:.1} ms", row.p99_ms),
            statuses.join(", "),
        ]);
    }
    let mut lines = table.lines();
    lines.push(format!("users that changed version: {}", counted(summary.changed_version, "time")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("shunt-id=ab; Path=/; HttpOnly", Some(("shunt-id", "ab")))]
    #[test_case("a=b=c", Some(("a", "b=c")); "a value with an equals sign")]
    #[test_case("nothing", None)]
    fn cookies(header: &str, expected: Option<(&str, &str)>) {
        assert_eq!(pair(header), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test_case("http://127.0.0.1:10000", true)]
    #[test_case("http://[::1]:10000", true; "IPv6")]
    #[test_case("http://localhost:10000", true; "by name")]
    #[test_case("http://shop.example", false; "another machine")]
    #[test_case("http://10.0.0.1", false; "another address")]
    fn local(url: &str, expected: bool) {
        assert_eq!(is_local(&url.parse().unwrap()), expected);
    }

    #[test]
    fn it_ends() {
        assert!(duration("1h").is_ok() && duration("2h").is_err() && duration("0s").is_err());
    }
}
