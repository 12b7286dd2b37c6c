//! How a command that could not be done says so: a sentence, or with `-o json` and `-o yaml` a document of the shape of the API's problems.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::Cli;
use super::client::ClientError;
use super::console::Format;
use super::target::TargetError;

/// The error for standard error, without a line break at its end.
pub(super) fn text(error: &anyhow::Error, format: Format) -> String {
    match format {
        Format::Text => format!("error: {error:#}"),
        Format::Json | Format::Yaml => written(&document(error), format),
    }
}

/// What to print instead of doing something.
pub(super) enum Unparsed {
    /// Help, or what is wrong, for people.
    Text(clap::Error),
    /// What is wrong, as a document on standard error.
    Document(String),
}

impl Unparsed {
    /// Prints it; the exit code is clap's own: 0 for help, 2 for wrong usage.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::Text(error) => {
                // A closed pipe is no error.
                drop(error.print());
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Self::Document(text) => {
                eprintln!("{text}");
                ExitCode::from(2)
            }
        }
    }
}

/// Says on standard error, in the format asked for, what is no error of a command: `--timeout` passed, a manifest is gone.
pub(super) fn note(kind: &str, title: &str, detail: &str, format: Format) {
    match format {
        Format::Text => eprintln!("{detail}"),
        Format::Json | Format::Yaml => {
            eprintln!("{}", written(&json!({ "type": format!("urn:shunt:problem:{kind}"), "title": title, "detail": detail }), format));
        }
    }
}

/// The arguments; or what to print instead.
pub(super) fn arguments(words: Vec<OsString>) -> Result<Cli, Unparsed> {
    let wanted = asked(&words);
    let matches = super::help::command().try_get_matches_from(words);
    let cli = matches.and_then(|matches| <Cli as clap::FromArgMatches>::from_arg_matches(&matches));
    cli.map_err(|error| match (error.kind(), wanted) {
        (ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _)
        | (_, Format::Text) => Unparsed::Text(error),
        (_, format) => {
            let document =
                json!({ "type": "urn:shunt:problem:usage", "title": "Wrong usage", "detail": error.render().to_string().trim_end() });
            Unparsed::Document(written(&document, format))
        }
    })
}

/// What the API answered, or the same shape for everything else.
fn document(error: &anyhow::Error) -> Value {
    let client = error.downcast_ref::<ClientError>().or_else(|| match error.downcast_ref::<TargetError>() {
        Some(TargetError::Client(client)) => Some(client),
        Some(TargetError::Unknown { .. } | TargetError::Ambiguous { .. }) | None => None,
    });
    match client {
        Some(ClientError::Problem(problem)) => serde_json::to_value(problem).unwrap_or_default(),
        Some(ClientError::Unreachable { .. }) => plain("unreachable", "No control plane answers", error),
        Some(ClientError::Address(_) | ClientError::ClearText(_) | ClientError::File { .. } | ClientError::Foreign { .. }) | None => {
            plain("failed", "The command could not be done", error)
        }
    }
}

fn plain(kind: &str, title: &str, error: &anyhow::Error) -> Value {
    json!({ "type": format!("urn:shunt:problem:{kind}"), "title": title, "detail": format!("{error:#}") })
}

fn written(document: &impl Serialize, format: Format) -> String {
    let text = match format {
        Format::Yaml => serde_saphyr::to_string(document).ok(),
        Format::Text | Format::Json => serde_json::to_string(document).ok(),
    };
    text.unwrap_or_default().trim_end().to_owned()
}

/// The `-o` of arguments that are wrong somewhere.
fn asked(words: &[OsString]) -> Format {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let value = words.iter().enumerate().find_map(|(at, word)| match *word {
        "-o" | "--output" => words.get(at + 1).copied(),
        word => word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o").map(|value| value.trim_start_matches('='))),
    });
    match value {
        Some("json") => Format::Json,
        Some("yaml") => Format::Yaml,
        _ => Format::Text,
    }
}

/// For tests: arguments as `main` reads them.
#[cfg(test)]
pub(super) fn parse(line: &str) -> Result<Cli, String> {
    arguments(line.split_whitespace().map(OsString::from).collect()).map_err(|unparsed| match unparsed {
        Unparsed::Text(error) => error.render().to_string(),
        Unparsed::Document(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn wrong_usage_is_a_document_where_one_is_asked_for() {
        for line in ["shunt promote -o json", "shunt promote --output=json", "shunt -ojson promote", "shunt --output json promote A"] {
            let document = json_of(&parse(line).map(|_| ()).unwrap_err());
            assert_eq!(document["type"], "urn:shunt:problem:usage", "{line}");
            assert!(document["detail"].as_str().unwrap().contains("NAME"), "{line}: {document}");
        }
        assert!(parse("shunt promote").map(|_| ()).unwrap_err().starts_with("error: "));
        assert!(parse("shunt --help -o json").map(|_| ()).unwrap_err().contains("Usage:"), "help stays help");
    }

    #[test]
    fn every_error_has_the_shape_of_a_problem() {
        let refused = ClientError::Address("x".to_owned());
        for error in [anyhow::anyhow!("first").context("second"), refused.into()] {
            let document = json_of(&text(&error, Format::Json));
            assert_eq!(document["type"], "urn:shunt:problem:failed");
            assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        }
        let (server, cause) = ("http://127.0.0.1:1".to_owned(), "refused".to_owned());
        let gone = anyhow::Error::from(TargetError::Client(ClientError::Unreachable { server, cause }));
        assert_eq!(json_of(&text(&gone, Format::Json))["type"], "urn:shunt:problem:unreachable");
        assert!(text(&gone, Format::Text).starts_with("error: no control plane answers"));
        let yaml: Value = serde_saphyr::from_str(&text(&gone, Format::Yaml)).unwrap();
        assert_eq!(yaml["type"], "urn:shunt:problem:unreachable");
    }
}
