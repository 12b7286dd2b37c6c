//! `shunt completion`: what a shell needs to complete commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::console::Console;
use super::exit::Exit;

const EXAMPLES: &str = "Examples:
  shunt completion bash > /etc/bash_completion.d/shunt
  shunt completion zsh > \"${fpath[1]}/_shunt\"
  shunt completion fish > ~/.config/fish/completions/shunt.fish";

/// For which shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// `shunt completion`
pub(crate) fn run(args: &CompletionArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "shunt", &mut script);
    console.out.write_all(&script)?;
    Ok(Exit::Done)
}
