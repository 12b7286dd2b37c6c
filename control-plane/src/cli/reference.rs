//! The reference of all commands, `CLI.md`: what `--help` says, as one page. Written by a test, which also tells when it is out of date.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

/// Options that every command has stand once, at the top.
const TITLE: &str = "# Commands

Written from `shunt --help`; `UPDATE=1 cargo test -p shunt reference` writes it anew.

Exit codes: 0 it is done, or nothing is wrong; 1 it could not be done, or something is wrong with what was looked at (`lint`, `doctor`, `diff`, `replay`, `plan`);
2 wrong usage. `shunt status` has more, `diff`, `replay` and `lint` say what theirs mean.
";

/// The whole page.
pub(super) fn reference() -> String {
    let mut shunt = super::Cli::command().mut_subcommand("names", |names| names.hide(true)).term_width(100).disable_help_subcommand(true);
    shunt.build();
    let mut page = TITLE.to_owned();
    line(&mut page, "\n## Everywhere\n");
    arguments(&mut page, shunt.get_arguments().filter(|argument| argument.is_global_set()));
    for command in shunt.get_subcommands().filter(|command| !command.is_hide_set()) {
        about(&mut page, command);
    }
    page
}

fn about(page: &mut String, command: &Command) {
    line(page, &format!("\n## shunt {}\n", command.get_name()));
    line(page, &command.get_about().map(ToString::to_string).unwrap_or_default());
    let usage = command.clone().render_usage().to_string();
    line(page, &format!("\n`{}`\n", usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>().join(" ")));
    arguments(page, command.get_arguments().filter(|argument| !argument.is_global_set()));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        line(
            page,
            &format!(
                "\n### shunt {} {}\n\n{}\n",
                command.get_name(),
                inner.get_name(),
                inner.get_about().map(ToString::to_string).unwrap_or_default()
            ),
        );
        arguments(page, inner.get_arguments().filter(|argument| !argument.is_global_set()));
    }
    if let Some(more) = command.get_after_help() {
        line(page, &format!("\n```text\n{more}\n```"));
    }
}

fn arguments<'a>(page: &mut String, all: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = all.filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version")).map(row).collect();
    if !rows.is_empty() {
        line(page, "| argument | meaning |\n|---|---|");
        rows.iter().for_each(|row| line(page, row));
    }
}

fn row(argument: &Arg) -> String {
    let value = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .and_then(|names| names.first())
        .map(ToString::to_string);
    let name = match (argument.get_long(), argument.get_short(), value) {
        (Some(long), short, value) => {
            let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
            format!("{short}--{long}{}", value.map(|value| format!(" {value}")).unwrap_or_default())
        }
        (None, _, value) => value.unwrap_or_else(|| argument.get_id().to_string()),
    };
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty()).collect();
    let default = if defaults.is_empty() || !argument.get_action().takes_values() {
        String::new()
    } else {
        format!(" [default: `{}`]", defaults.join(" "))
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    format!("| `{}` | {}{default} |", name.replace('|', "\\|"), help.replace('|', "\\|").replace('\n', " "))
}

fn line(page: &mut String, text: &str) {
    // Writing to memory does not fail.
    let _ = writeln!(page, "{text}");
}

#[test]
fn the_reference_is_committed() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("CLI.md");
    let page = reference();
    if std::env::var_os("UPDATE").is_some() || std::env::var_os("SHUNT_GENERATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "control-plane/CLI.md is out of date: UPDATE=1 cargo test -p shunt reference");
}
