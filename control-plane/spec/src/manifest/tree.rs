//! YAML as a tree in which every node knows where it stands.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 48;
/// Most nodes of one file, aliases expanded.
const NODES_MAX: usize = 200_000;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 1, in characters.
    pub(crate) column: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    Map(Vec<Entry>),
    List(Vec<Node>),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    /// After unquoting.
    pub(crate) text: String,
    /// How it is written.
    pub(crate) style: Style,
    /// The bytes of the file that it takes, quotes included; none when it came by an alias.
    pub(crate) bytes: Option<Range<usize>>,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may mean a number, a boolean or nothing.
    Plain,
    Single,
    Double,
    /// `|` or `>`.
    Block,
}

/// One field of a mapping; `at` is where its key stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

/// The text is not YAML that we read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) message: String,
}

impl Node {
    /// The field of that name, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// As [`Node::get`], with where the key stands.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// The text, if this is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::Map(_) | Value::List(_) => None,
        }
    }

    /// True for a document with nothing in it but comments.
    fn is_blank(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.text.is_empty() && scalar.style == Style::Plain)
    }
}

/// Path of a field, as the filter's compiler writes it too: keys that are not plain stand in brackets.
pub(crate) fn field(parent: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match (parent.is_empty(), plain) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{parent}.{key}"),
        (false, false) => format!("{parent}[{key:?}]"),
    }
}

/// Path of an item of a list.
pub(crate) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// All documents that say something.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut builder = Builder { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = builder.next()? {
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentEnd => {}
            Event::DocumentStart(..) => builder.anchors.clear(),
            event => documents.push(builder.node(event, span, 0)?),
        }
    }
    documents.retain(|node| !node.is_blank());
    Ok(documents)
}

struct Builder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, SyntaxError> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(found)) => return Ok(Some(found)),
                Some(Err(error)) => return Err(syntax(error.marker(), format!("is not YAML: {}", error.info()))),
                None => return Ok(None),
            }
        }
    }

    fn following(&mut self, from: Position) -> Result<(Event<'t>, Span), SyntaxError> {
        self.next()?.ok_or(SyntaxError { at: from, message: "is not YAML: the file ends inside a value".to_owned() })
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, SyntaxError> {
        let at = position(&span.start);
        self.count(at, 1)?;
        if depth > DEPTH_MAX {
            return Err(SyntaxError { at, message: format!("is nested deeper than {DEPTH_MAX} levels") });
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = match tag {
                    None => self::style(style),
                    Some(tag) if tag.is_yaml_core_schema_tag("str") => Style::Double,
                    Some(tag) => {
                        return Err(SyntaxError { at, message: format!("has the tag {}: tags are not used here", tag.original()) });
                    }
                };
                (anchor, Value::Scalar(Scalar { text: text.into_owned(), style, bytes: span.byte_range() }))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, Value::List(self.list(at, depth)?)),
            Event::MappingStart(_, anchor, _) => (anchor, Value::Map(self.map(at, depth)?)),
            Event::Alias(anchor) => return self.alias(anchor, at),
            _ => return Err(SyntaxError { at, message: "is not YAML: a value was expected".to_owned() }),
        };
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, at: Position, depth: usize) -> Result<Vec<Node>, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.following(at)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth.saturating_add(1))?),
            }
        }
    }

    fn map(&mut self, at: Position, depth: usize) -> Result<Vec<Entry>, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, at) = match self.following(at)? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), span) => (key.into_owned(), position(&span.start)),
                (_, span) => return Err(syntax(&span.start, "is not a field name: write text before the colon".to_owned())),
            };
            if key == "<<" {
                return Err(SyntaxError { at, message: "merges a mapping (<<), which is not supported: write the fields out".to_owned() });
            }
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("{key}: appears twice in one mapping, first on line {}: remove one", first.at.line);
                return Err(SyntaxError { at, message });
            }
            let (event, span) = self.following(at)?;
            let value = self.node(event, span, depth.saturating_add(1))?;
            entries.push(Entry { key, at, value });
        }
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<Node, SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(SyntaxError { at, message: "is an alias inside its own anchor".to_owned() });
        };
        let mut node = node.clone();
        self.count(at, forget_bytes(&mut node))?;
        node.at = at;
        Ok(node)
    }

    fn count(&mut self, at: Position, more: usize) -> Result<(), SyntaxError> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > NODES_MAX {
            return Err(SyntaxError { at, message: format!("makes the file larger than {NODES_MAX} values") });
        }
        Ok(())
    }
}

/// What came by an alias stands elsewhere in the file, so it must not be edited here. Returns the number of nodes.
fn forget_bytes(node: &mut Node) -> usize {
    let below: usize = match &mut node.value {
        Value::Scalar(scalar) => {
            scalar.bytes = None;
            0
        }
        Value::Map(entries) => entries.iter_mut().map(|entry| forget_bytes(&mut entry.value)).sum(),
        Value::List(items) => items.iter_mut().map(forget_bytes).sum(),
    };
    below.saturating_add(1)
}

fn style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col().saturating_add(1) }
}

fn syntax(marker: &Marker, message: String) -> SyntaxError {
    SyntaxError { at: position(marker), message }
}
