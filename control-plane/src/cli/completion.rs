//! `shunt completion`: what a shell needs to complete commands, and the names of Rollouts and versions.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::console::Console;
use super::exit::Exit;

const EXAMPLES: &str = "Names of Rollouts and versions are asked of the control plane while you type (bash, zsh, fish).

Examples:
  shunt completion bash > /etc/bash_completion.d/shunt
  shunt completion zsh > \"${fpath[1]}/_shunt\"
  shunt completion fish > ~/.config/fish/completions/shunt.fish";

/// Names first, where the word is one; else what the generated function says.
const BASH: &str = r#"
_shunt_with_names() {
    _shunt "$@"
    local cur="${COMP_WORDS[COMP_CWORD]}" names
    names="$(shunt names -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)"
    if [[ -n "${names}" ]]; then
        COMPREPLY=( $(compgen -W "${names}" -- "${cur}") )
    fi
}
complete -F _shunt_with_names -o nosort -o bashdefault -o default shunt 2>/dev/null || complete -F _shunt_with_names -o bashdefault -o default shunt
"#;

const ZSH: &str = r#"
_shunt_names() {
    local -a names
    names=(${(f)"$(shunt names -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( ${#names} )); then compadd -a names; else _default; fi
}
"#;

const FISH: &str = r#"
complete -c shunt -f -n 'shunt names -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null | string length -q' -a '(shunt names -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
"#;

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
    console.out.write_all(script(args.shell).as_bytes())?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    // Without the hidden command that the script itself runs.
    let mut shunt = super::Cli::command().mut_subcommand("names", |names| names.hide(true));
    clap_complete::generate(shell, &mut shunt, "shunt", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + BASH,
        Shell::Zsh => zsh(&script),
        Shell::Fish => script + FISH,
        _ => script,
    }
}

/// Positions and options that are names of the control plane ask it; the functions must stand before the last line, which runs them.
fn zsh(script: &str) -> String {
    let named =
        |line: &str| ["':target -- ", "'::target -- ", "':version -- ", ":VERSION:", "--rollout"].iter().any(|part| line.contains(part));
    let mut text = String::new();
    for line in script.lines() {
        if line.starts_with("if [ \"$funcstack[1]\"") {
            text.push_str(ZSH.trim_start());
        }
        let line = if named(line) { line.replace(":_default'", ":_shunt_names'") } else { line.to_owned() };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_ask_for_names() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(script(shell).contains("shunt names -- "), "{shell}");
        }
        let zsh = script(Shell::Zsh);
        assert!(zsh.contains(":_shunt_names'"), "{zsh}");
        assert!(zsh.find("_shunt_names() {").unwrap() < zsh.find("if [ \"$funcstack[1]\"").unwrap());
    }

    /// What bash itself makes of it, with a `shunt` that knows one Rollout.
    #[test]
    fn bash_offers_the_names() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shunt.bash"), script(Shell::Bash)).unwrap();
        let program = r#"
            shunt() { [[ "$*" == "names -- promote shop" ]] && echo shop/checkout; }
            source "$1"
            COMP_WORDS=(shunt promote shop) COMP_CWORD=2
            _shunt_with_names shunt shop promote
            echo "${COMPREPLY[*]}"
            COMP_WORDS=(shunt pro) COMP_CWORD=1
            _shunt_with_names shunt pro shunt
            echo "${COMPREPLY[*]}"
        "#;
        let script = dir.path().join("shunt.bash");
        let output = std::process::Command::new("bash").args(["--norc", "-c", program, "bash"]).arg(script).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, ["shop/checkout", "promote proxies"], "{}", String::from_utf8_lossy(&output.stderr));
    }
}
