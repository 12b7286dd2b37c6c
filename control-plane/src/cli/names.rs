//! `shunt names`: what a shell may complete a word with, of what only the control plane knows. Hidden: completion scripts run it.

use std::time::Duration;

use clap::{Arg, Args, CommandFactory, Parser};
use shunt_api::rollouts::RolloutList;

use super::Cli;
use super::client::Client;
use super::console::Console;
use super::exit::Exit;
use super::target::Target;

/// A shell waits for this at each key: better no names than late ones.
const PATIENCE: Duration = Duration::from_millis(800);

/// Options that say where the control plane is and who asks; each takes a value.
const REACH: [&str; 4] = ["--server", "--ca", "--token", "--token-file"];

/// The line so far.
#[derive(Debug, Args)]
pub(crate) struct NamesArgs {
    /// The words of the command line after `shunt`; the last one is being typed
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// The name of a Rollout.
    Rollout,
    /// A version, of this Rollout if one was named.
    Version(Option<String>),
    /// Something else.
    Nothing,
}

/// `shunt names`: one per line; nothing when nothing is known, and never an error, which a shell would show at each key.
pub(crate) async fn run(args: &NamesArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let wanted = wanted(&args.words);
    if wanted == Wanted::Nothing {
        return Ok(Exit::Done);
    }
    let list = async { reach(&args.words)?.get::<RolloutList>(&["rollouts"]).await.ok() };
    if let Ok(Some(list)) = tokio::time::timeout(PATIENCE, list).await {
        names(&wanted, &list).iter().try_for_each(|name| console.line(name))?;
    }
    Ok(Exit::Done)
}

/// The server that the line names, or the usual one.
fn reach(words: &[String]) -> Option<Client> {
    let mut line = vec!["shunt".to_owned()];
    for (at, word) in words.iter().enumerate() {
        match word.split_once('=') {
            Some((option, _)) if REACH.contains(&option) => line.push(word.clone()),
            None if REACH.contains(&word.as_str()) => line.extend([word.clone(), words.get(at + 1)?.clone()]),
            _ => {}
        }
    }
    line.push("version".to_owned());
    Client::new(&Cli::try_parse_from(line).ok()?.reach).ok()
}

/// By the definition of the command that the line names.
fn wanted(words: &[String]) -> Wanted {
    let mut shunt = Cli::command();
    shunt.build();
    let Some((typed, before)) = words.split_last() else { return Wanted::Nothing };
    let mut command = &shunt;
    let (mut positionals, mut option) = (Vec::new(), None::<&Arg>);
    for word in before {
        if option.take().is_some() {
            continue;
        }
        option = match word.strip_prefix('-') {
            Some(_) if word.contains('=') => None,
            Some(_) => taking(command, word),
            None => {
                match command.find_subcommand(word).filter(|_| positionals.is_empty()) {
                    Some(inner) => command = inner,
                    None => positionals.push(word.clone()),
                }
                None
            }
        };
    }
    let argument = option.or_else(|| match typed.starts_with('-') {
        true => None,
        false => command.get_positionals().nth(positionals.len()),
    });
    match argument.map(|argument| argument.get_id().as_str()) {
        Some("target" | "rollout") => Wanted::Rollout,
        Some("version" | "release" | "to") if is_version(argument) => Wanted::Version(positionals.first().cloned()),
        _ => Wanted::Nothing,
    }
}

/// `promote --to` is a step.
fn is_version(argument: Option<&Arg>) -> bool {
    argument.and_then(Arg::get_value_names).is_some_and(|names| names.iter().any(|name| name == "VERSION"))
}

/// The option of this name, if a value follows it.
fn taking<'c>(command: &'c clap::Command, word: &str) -> Option<&'c Arg> {
    let named = |argument: &&Arg| {
        let long = argument.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short = argument.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
        long || short
    };
    command.get_arguments().find(named).filter(|argument| argument.get_action().takes_values())
}

fn names(wanted: &Wanted, list: &RolloutList) -> Vec<String> {
    let views = list.rollouts.iter();
    match wanted {
        Wanted::Nothing => Vec::new(),
        Wanted::Rollout => views.map(|view| view.id.to_string()).collect(),
        Wanted::Version(of) => {
            let target = of.as_ref().and_then(|of| of.parse::<Target>().ok());
            let meant = views.filter(|view| target.as_ref().is_none_or(|target| target.means(&view.id)));
            meant.flat_map(|view| view.versions.iter().map(|version| version.name.to_string())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn version(of: &str) -> Wanted {
        Wanted::Version(Some(of.to_owned()))
    }

    #[test_case("get ", Wanted::Rollout)]
    #[test_case("get shop/ch", Wanted::Rollout; "begun")]
    #[test_case("--server http://x get ", Wanted::Rollout; "after an option with a value")]
    #[test_case("-o json promote ", Wanted::Rollout; "after a short option with a value")]
    #[test_case("promote --full ", Wanted::Rollout; "after an option without one")]
    #[test_case("release shop/checkout ", version("shop/checkout"))]
    #[test_case("rollback shop/checkout --to ", version("shop/checkout"); "the value of an option")]
    #[test_case("status shop/checkout --wait --release v", version("shop/checkout"); "the value of another option")]
    #[test_case("audit --rollout ", Wanted::Rollout; "an option that is a Rollout")]
    #[test_case("promote shop/checkout --to ", Wanted::Nothing; "a step")]
    #[test_case("promote shop/checkout ", Wanted::Nothing; "all is said")]
    #[test_case("get --wh", Wanted::Nothing; "an option being typed")]
    #[test_case("pro", Wanted::Nothing; "a command being typed")]
    #[test_case("lint ", Wanted::Nothing; "files")]
    fn what_is_typed(line: &str, expected: Wanted) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(Some(wanted(&words)), Some(expected));
    }

    #[test]
    fn the_server_of_the_line_is_asked() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(reach(&words("get --server http://127.0.0.1:7 ")).unwrap().server(), "http://127.0.0.1:7");
        assert_eq!(reach(&words("--server=http://127.0.0.1:8 get ")).unwrap().server(), "http://127.0.0.1:8");
    }
}
