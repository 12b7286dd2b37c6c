//! Arguments: what is taken, what is refused, and what `--help` says.

use clap::CommandFactory;
use insta::assert_snapshot;

use crate::cli::{Cli, Command};

fn parse(line: &str) -> Result<Cli, String> {
    crate::cli::failure::parse(line)
}

fn refused(line: &str) -> String {
    parse(line).map(|cli| format!("{:?} was taken", cli.command)).unwrap_err()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_does_and_shows_how() {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    for command in cli.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set()) {
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
        let has_examples = command.get_after_help().is_some_and(|text| text.to_string().contains("shunt "));
        assert!(has_examples || command.get_name() == "version", "{} has no examples", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} --{} is not described", command.get_name(), argument.get_id());
        }
    }
}

#[test]
fn help() {
    assert_snapshot!(crate::cli::help::command().term_width(80).render_help());
}

#[test]
fn help_of_status_lists_its_exit_codes() {
    let mut cli = crate::cli::help::command().term_width(100);
    assert_snapshot!(cli.find_subcommand_mut("status").unwrap().render_help());
}

#[test]
fn certificates_come_whole() {
    for line in ["--tls-cert a", "--tls-key a", "--client-ca a", "--tls d --tls-cert a --tls-key b", "--xds-listen localhost:1"] {
        refused(&format!("shunt serve --config c {line}"));
    }
    for line in ["--tls d", "--tls-cert a --tls-key b", "--tls-cert a --tls-key b --client-ca c", "--xds-listen 0.0.0.0:18000"] {
        parse(&format!("shunt serve --config c {line}")).unwrap();
    }
}

#[test]
fn state_lies_beside_the_manifests() {
    let data = |line: &str| match parse(line).unwrap().command {
        Command::Serve(args) => args.data(),
        other => panic!("{other:?}"),
    };
    for config in ["/etc/shunt/rollouts", "/etc/shunt/rollouts/", "/etc/shunt/./rollouts"] {
        assert_eq!(data(&format!("shunt serve --config {config}")).to_str(), Some("/etc/shunt/rollouts.state"), "{config}");
    }
    assert_eq!(data("shunt serve --config /c --data /d").to_str(), Some("/d"));
    let here = std::env::current_dir().unwrap();
    let expected = here.with_file_name(format!("{}.state", here.file_name().unwrap().to_str().unwrap()));
    assert_eq!(data("shunt serve --config ."), expected);
}

#[test]
fn names() {
    for name in ["checkout", "shop/checkout"] {
        parse(&format!("shunt promote {name}")).unwrap();
    }
    for name in ["Checkout", "a/b/c", "/x", "x/", "-x-"] {
        let error = refused(&format!("shunt promote {name}"));
        assert!(error.contains(name.trim_matches('-')), "{error}");
    }
    assert!(refused("shunt promote").contains("<NAME>"));
    assert!(refused("shunt release checkout V2").contains("is not a name"));
}

#[test]
fn times_carry_their_unit() {
    parse("shunt status checkout --wait --timeout 30m").unwrap();
    assert!(refused("shunt status checkout --wait --timeout 30").contains("whole number with its unit"));
    assert!(refused("shunt status checkout --timeout 30m").contains("--wait"), "a timeout without waiting is a mistake");
}

#[test]
fn headers_have_a_name_and_a_value() {
    parse("shunt explain --host shop.test --header cookie:a=b -H x:y").unwrap();
    assert!(refused("shunt explain --host shop.test --header cookie").contains("name: value"));
}

#[test]
fn endpoints_have_a_port() {
    parse("shunt envoy-bootstrap --node n --xds control.test:18000").unwrap();
    assert!(refused("shunt envoy-bootstrap --node n --xds control.test").contains("not host:port"));
}
