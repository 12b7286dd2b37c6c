//! `shunt replay`: runs a journal again. The state machine of this binary must make the same transitions from the same observations.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shunt_core::journal::Entry;
use shunt_core::replay::{Incident, Replayed};
use shunt_core::stored::Head;
use shunt_filter_core::RolloutId;
use shunt_spec::Time;
use shunt_spec::plural::{counted, part};

use super::console::Console;
use super::exit::Exit;
use super::paint::{Paint, tame};
use super::table::Table;
use super::text::{shorten, time};

/// Characters of a value that are shown of each side.
const SIDE: usize = 200;

const EXAMPLES: &str =
    "The file is what `shunt history NAME -o json` prints: transitions with all that was seen, and the plans they were made under.
Each transition is made again from the state before it; what this binary makes must be what was recorded, byte for byte.
In the repository, a file put into control-plane/core/tests/incidents/ is a regression test from then on.
Exit code 0: the same; 1: something differs; 2: the file cannot be read, or lacks something.

Examples:
  shunt history shop/checkout --limit 500 -o json > incident.json
  shunt replay incident.json
  shunt replay incident.json -o json | jq '.transitions[] | select(.result != \"same\")'";

/// What to run again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// What `shunt history NAME -o json` (or yaml) printed
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Replay {
    transitions: Vec<Transition>,
    same: usize,
    different: usize,
    unknown: usize,
}

/// One transition, made again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Transition {
    rollout: RolloutId,
    revision: u64,
    at: Time,
    reason: String,
    result: Replayed,
}

/// `shunt replay`
pub(crate) fn run(args: &ReplayArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let incident = match read(args) {
        Ok(incident) => incident,
        Err(error) => return Ok(Exit::unreadable(&error, console.format)),
    };
    let replay = Replay::of(&incident);
    console.show(&replay, |console| lines(&replay, console.paint, &console.zone))?;
    Ok(match (replay.different, replay.unknown) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Unreadable,
        (_, _) => Exit::Wrong,
    })
}

fn read(args: &ReplayArgs) -> anyhow::Result<Incident> {
    let file = args.file.display();
    let text = std::fs::read_to_string(&args.file).with_context(|| format!("{file} cannot be read"))?;
    let meant = "it should be what `shunt history NAME -o json` prints";
    let unlike = || format!("{file} is not a journal; {meant}");
    // The number first: what stands beside it may be unlike anything that this version knows.
    parse::<Head>(&text).with_context(unlike)?.check().with_context(|| format!("{file} cannot be read"))?;
    let incident: Incident = parse(&text).with_context(unlike)?;
    anyhow::ensure!(!incident.entries.is_empty(), "{file} has no transitions; {meant}, of a Rollout that has made one");
    Ok(incident)
}

/// YAML only where it is no JSON: errors of the other would mislead.
fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    if text.trim_start().starts_with('{') { Ok(serde_json::from_str(text)?) } else { Ok(serde_saphyr::from_str(text)?) }
}

impl Replay {
    fn of(incident: &Incident) -> Self {
        let transition = |(entry, result): (&Entry, Replayed)| {
            let Entry { rollout, revision, at, reason, .. } = entry.clone();
            Transition { rollout, revision, at, reason, result }
        };
        let transitions: Vec<Transition> = incident.entries.iter().zip(incident.replay()).map(transition).collect();
        let count = |wanted: fn(&Replayed) -> bool| transitions.iter().filter(|transition| wanted(&transition.result)).count();
        let same = count(|result| matches!(result, Replayed::Same));
        let different = count(|result| matches!(result, Replayed::Differs(_)));
        Self { same, different, unknown: transitions.len() - same - different, transitions }
    }
}

/// One line per transition; below the first that differs, both sides.
fn lines(replay: &Replay, paint: Paint, zone: &TimeZone) -> Vec<String> {
    let mut table = Table::bare(&[2]);
    for transition in &replay.transitions {
        let Transition { revision, at, reason, result, .. } = transition;
        table.row([mark(result, paint), paint.dim(&time(*at, zone)), revision.to_string(), tame(reason)]);
    }
    let mut lines = table.lines();
    if let Some((at, detail)) = replay.transitions.iter().enumerate().find_map(|(at, one)| Some((at + 1, detail(&one.result, paint)?))) {
        let below = lines.split_off(at.min(lines.len()));
        lines.extend(detail);
        lines.extend(below);
    }
    lines.push(match (replay.different, replay.unknown) {
        (0, 0) => format!("{}: {} made again, byte for byte", paint.good("the same"), counted(replay.same as u64, "transition")),
        (different, unknown) => {
            let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} cannot be made again") };
            let differ = part(different as u64, replay.transitions.len() as u64, "transition");
            format!("{}: {differ}{unknown}", paint.bad("different"))
        }
    });
    lines
}

fn mark(result: &Replayed, paint: Paint) -> String {
    match result {
        Replayed::Same => paint.good("same"),
        Replayed::Differs(_) => paint.bad("differs"),
        Replayed::NoPlan(_) | Replayed::NoState => paint.attention("unknown"),
    }
}

/// What is wrong with one transition, with both sides; none: nothing.
fn detail(result: &Replayed, paint: Paint) -> Option<Vec<String>> {
    let side = |value: &Option<Value>| match value {
        None => "(not there)".to_owned(),
        Some(Value::Null) => "(no transition)".to_owned(),
        Some(value) => tame(&shorten(&value.to_string(), SIDE)),
    };
    match result {
        Replayed::Same => None,
        Replayed::Differs(difference) => {
            let place = if difference.path.is_empty() { "the whole transition" } else { difference.path.as_str() };
            let mut table = Table::bare(&[]);
            table.row([format!("    {}", paint.bold(place)), paint.dim("recorded"), side(&difference.left)]);
            table.row([String::new(), paint.dim("made again"), side(&difference.right)]);
            Some(table.lines())
        }
        Replayed::NoPlan(digest) => {
            Some(vec![format!("    the file has no plan {digest}: export it again with `shunt history NAME -o json`")])
        }
        Replayed::NoState => {
            Some(vec!["    the file does not say what was before it: a transition is missing, or `first` is; export it again".to_owned()])
        }
    }
}
