//! `shunt schema`: what an editor has to know of manifests.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use shunt_spec::schema::{Kind, editor};

use super::console::{Console, Format};
use super::exit::Exit;

const EXAMPLES: &str = "JSON Schema, draft 7. Editors with yaml-language-server read it by the first line of a manifest:

  # yaml-language-server: $schema=shunt.schema.json

It says what is required and what each field may hold. `shunt lint` says more: what contradicts what, and what a mesh policy forbids.

Examples:
  shunt schema > shunt.schema.json
  shunt schema Rollout -o yaml";

/// Of what.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArgs {
    /// The kind of manifest [default: any of them]
    #[arg(value_name = "KIND", value_parser = kind())]
    kind: Option<Kind>,
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str))
        .try_map(|text| Kind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or("it is no kind of manifest"))
}

/// `shunt schema`
pub(crate) fn run(args: &SchemaArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let schema = editor(args.kind);
    match console.format {
        Format::Text => console.line(&format!("{schema:#}"))?,
        Format::Json | Format::Yaml => console.show(&schema, |_| Vec::new())?,
    }
    Ok(Exit::Done)
}
