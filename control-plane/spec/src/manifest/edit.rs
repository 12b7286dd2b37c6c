//! Changes the one line of a manifest that a command may change: `release:`.

use std::ops::Range;

use shunt_filter_core::{RolloutId, VersionName};
use thiserror::Error;

use super::scalar;
use super::tree::{self, Node, Scalar, Style, Value};

/// Why `release:` was not changed. Each says what to change by hand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// Not YAML.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// No such Rollout in this text.
    #[error("there is no Rollout {0} in it")]
    NotFound(RolloutId),
    /// Several of that name.
    #[error("Rollout {id} is in it twice, on lines {first} and {second}: remove one")]
    Twice {
        /// Which.
        id: RolloutId,
        /// Line of the first.
        first: usize,
        /// Line of the second.
        second: usize,
    },
    /// The version is not listed.
    #[error("version {version:?} is not in spec.versions of {id} (there are: {known}): add it there first")]
    UnknownVersion {
        /// Which Rollout.
        id: RolloutId,
        /// What was asked for.
        version: String,
        /// Those listed.
        known: String,
    },
    /// There is no `release:` to change.
    #[error("line {line}: spec of {id} has no release: add the line `release: {version}` to it")]
    Missing {
        /// Which Rollout.
        id: RolloutId,
        /// Line of its spec, counted from 1.
        line: usize,
        /// What was asked for.
        version: VersionName,
    },
    /// It is written in a way that cannot be changed safely: an alias, a block or a tagged value.
    #[error("line {line}: release is not written as a plain word there: change it to `release: {version}` by hand")]
    ByHand {
        /// Of `release:`, counted from 1.
        line: usize,
        /// What was asked for.
        version: VersionName,
    },
}

/// The text with `spec.release` of that Rollout naming `version`; every other byte is as before, quotes around the old name are
/// kept. The same text when it names it already.
pub fn edit_release(text: &str, id: &RolloutId, version: &VersionName) -> Result<String, EditError> {
    let documents = read(text)?;
    let document = find(&documents, id)?;
    listed(document, id, version)?;
    let spec = document.get("spec");
    let line = spec.map_or(document.at.line, |spec| spec.at.line);
    let Some(entry) = spec.and_then(|spec| spec.entry("release")) else {
        return Err(EditError::Missing { id: id.clone(), line, version: version.clone() });
    };
    let release = &entry.value;
    let by_hand = || EditError::ByHand { line: entry.at.line, version: version.clone() };
    if release.text() == Some(version.as_str()) {
        return Ok(text.to_owned());
    }
    let (bytes, new) = match &release.value {
        Value::Scalar(scalar) => replacement(text, scalar, version).ok_or_else(by_hand)?,
        Value::Map(_) | Value::List(_) => return Err(by_hand()),
    };
    let (before, after) = (text.get(..bytes.start).ok_or_else(by_hand)?, text.get(bytes.end..).ok_or_else(by_hand)?);
    let edited = format!("{before}{new}{after}");
    // What was edited must read as intended, whatever the text around it looks like.
    let reads =
        read(&edited).ok().and_then(|documents| Some(find(&documents, id).ok()?.get("spec")?.get("release")?.text()? == version.as_str()));
    if reads == Some(true) { Ok(edited) } else { Err(by_hand()) }
}

fn read(text: &str) -> Result<Vec<Node>, EditError> {
    tree::documents(text).map_err(|error| EditError::Syntax { line: error.at.line, message: error.message })
}

fn find<'n>(documents: &'n [Node], id: &RolloutId) -> Result<&'n Node, EditError> {
    let mut found = documents.iter().filter(|node| super::origin::rollout_id(node).as_ref() == Some(id));
    match (found.next(), found.next()) {
        (None, _) => Err(EditError::NotFound(id.clone())),
        (Some(document), None) => Ok(document),
        (Some(first), Some(second)) => Err(EditError::Twice { id: id.clone(), first: first.at.line, second: second.at.line }),
    }
}

fn listed(document: &Node, id: &RolloutId, version: &VersionName) -> Result<(), EditError> {
    let versions = document.get("spec").and_then(|spec| spec.get("versions"));
    let items = match versions.map(|versions| &versions.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let names: Vec<&str> = items.iter().filter_map(|item| item.get("name").and_then(Node::text)).collect();
    if names.contains(&version.as_str()) {
        return Ok(());
    }
    Err(EditError::UnknownVersion { id: id.clone(), version: version.to_string(), known: names.join(", ") })
}

/// Which bytes to replace, and with what: the same quotes as before, or new ones where the name needs them.
fn replacement(text: &str, scalar: &Scalar, version: &VersionName) -> Option<(Range<usize>, String)> {
    let bytes = scalar.bytes.clone()?;
    let written = text.get(bytes.clone())?;
    let name = version.as_str();
    let new = match scalar.style {
        Style::Plain if written != scalar.text => return None,
        Style::Plain if scalar::ambiguous(name).is_some() => format!("\"{name}\""),
        Style::Plain => name.to_owned(),
        Style::Single if written == format!("'{}'", scalar.text) => format!("'{name}'"),
        Style::Double if written == format!("\"{}\"", scalar.text) => format!("\"{name}\""),
        Style::Single | Style::Double | Style::Block => return None,
    };
    Some((bytes, new))
}
