//! `shunt diff`: two configurations compared by what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use shunt_filter_core::RolloutId;
use shunt_spec::Plan;
use shunt_spec::diff::{Difference, diff};
use shunt_spec::plural::counted;

use super::console::Console;
use super::exit::Exit;
use super::manifests::Manifests;
use super::paint::{Paint, tame};
use super::table::Table;

const EXAMPLES: &str =
    "Both sides are compiled, with the MeshPolicy that stands beside them and all defaults filled in: notation, comments and the
order of fields do not count.
Exit code 0: they mean the same; 1: they differ; 2: one cannot be read, or would be refused.

Examples:
  shunt diff staging/ production/
  shunt diff <(git show HEAD~1:shop.yaml) shop.yaml
  shunt diff staging/ production/ -o json | jq '.rollouts[\"shop/checkout\"]'";

/// What to compare.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// A manifest, or a folder with *.yaml and *.yml files
    #[arg(value_name = "A")]
    left: PathBuf,

    /// The other one
    #[arg(value_name = "B")]
    right: PathBuf,
}

/// What differs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Differences {
    /// By Rollout; those that mean the same are left out.
    rollouts: BTreeMap<RolloutId, Change>,
    /// Rollouts that mean the same on both sides.
    same: Vec<RolloutId>,
}

/// What became of one Rollout from left to right.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Change {
    OnlyLeft,
    OnlyRight,
    Differs(Vec<Difference>),
}

/// `shunt diff`
pub(crate) fn run(args: &DiffArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let side = |path: &PathBuf| Manifests::sound(std::slice::from_ref(path)).map(by_id);
    let (left, right) = match (side(&args.left), side(&args.right)) {
        (Ok(left), Ok(right)) => (left, right),
        (Err(error), _) | (_, Err(error)) => return Ok(Exit::unreadable(&error, console.format)),
    };
    let found = compare(&left, &right);
    let names = [&args.left, &args.right].map(|path| path.display().to_string());
    console.show(&found, |console| lines(&found, &names, console.paint))?;
    Ok(if found.rollouts.is_empty() { Exit::Done } else { Exit::Wrong })
}

fn by_id(plans: Vec<Plan>) -> BTreeMap<RolloutId, Plan> {
    plans.into_iter().map(|plan| (plan.id.clone(), plan)).collect()
}

fn compare(left: &BTreeMap<RolloutId, Plan>, right: &BTreeMap<RolloutId, Plan>) -> Differences {
    let mut found = Differences { rollouts: BTreeMap::new(), same: Vec::new() };
    let ids: BTreeSet<&RolloutId> = left.keys().chain(right.keys()).collect();
    for id in ids {
        let change = match (left.get(id), right.get(id)) {
            (Some(left), Some(right)) => Change::Differs(diff(left, right)),
            (Some(_), None) => Change::OnlyLeft,
            (None, _) => Change::OnlyRight,
        };
        match change {
            Change::Differs(differences) if differences.is_empty() => found.same.push(id.clone()),
            change => drop(found.rollouts.insert(id.clone(), change)),
        }
    }
    found
}

fn lines(found: &Differences, names: &[String; 2], paint: Paint) -> Vec<String> {
    let [left, right] = names;
    let mut lines = Vec::new();
    for (id, change) in &found.rollouts {
        match change {
            Change::OnlyLeft => lines.push(format!("{} {}", paint.bold(&id.to_string()), paint.bad(&format!("only in {left}")))),
            Change::OnlyRight => lines.push(format!("{} {}", paint.bold(&id.to_string()), paint.good(&format!("only in {right}")))),
            Change::Differs(differences) => {
                lines.push(paint.bold(&id.to_string()));
                lines.extend(differences.iter().flat_map(|difference| difference_lines(difference, paint)));
            }
        }
    }
    let number = |number: usize| counted(number as u64, "Rollout");
    lines.push(match (found.rollouts.len(), found.same.len()) {
        (0, same) => format!("{}: {}", paint.good("the same"), number(same)),
        (different, same) => {
            let differ = if different == 1 { "differs" } else { "differ" };
            format!("{} {differ}, {same} the same ({} is {left}, {} is {right})", number(different), paint.bad("-"), paint.good("+"))
        }
    });
    lines
}

fn difference_lines(difference: &Difference, paint: Paint) -> Vec<String> {
    let mut table = Table::bare(&[]);
    let heading = format!("  {}", difference.path);
    match (&difference.left, &difference.right) {
        (Some(a), Some(b)) if short(a) && short(b) => {
            table.row([format!("{heading}: {} → {}", paint.bad(&text(a)), paint.good(&text(b)))]);
        }
        (a, b) => {
            table.row([heading]);
            a.iter().for_each(|a| table.row([format!("    {} {}", paint.bad("-"), text(a))]));
            b.iter().for_each(|b| table.row([format!("    {} {}", paint.good("+"), text(b))]));
        }
    }
    table.lines()
}

/// Whether both sides fit on one line.
fn short(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_)) && text(value).chars().count() <= 40
}

/// As in a manifest: strings without quotes, lists of strings with commas.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => tame(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => tame(&other.to_string()),
    }
}
