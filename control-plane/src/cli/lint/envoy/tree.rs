//! A place in a bootstrap: its value, and its path for people.

use serde_json::Value;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<'v> {
    value: &'v Value,
    path: String,
}

impl<'v> At<'v> {
    /// The whole file.
    pub(super) fn root(value: &'v Value) -> Self {
        Self { value, path: String::new() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Path of a field below.
    pub(super) fn below(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    /// A field by its name in snake case; protobuf's JSON takes it in camel case too. Dots lead deeper.
    pub(super) fn field(&self, name: &str) -> Option<At<'v>> {
        name.split('.').try_fold(self.clone(), |at, name| {
            let found = at.value.get(name).map(|value| (value, name.to_owned()));
            let (value, name) = found.or_else(|| camel(name).and_then(|name| Some((at.value.get(&name)?, name))))?;
            (!value.is_null()).then(|| At { value, path: at.below(&name) })
        })
    }

    /// The elements of a list; of something else none.
    pub(super) fn items(&self) -> Vec<At<'v>> {
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(|(index, value)| At { value, path: format!("{}[{index}]", self.path) }).collect()
    }

    /// The elements of a list field.
    pub(super) fn list(&self, name: &str) -> Vec<At<'v>> {
        self.field(name).map(|at| at.items()).unwrap_or_default()
    }

    /// A text field; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &'v str {
        self.field(name).and_then(|at| at.value.as_str()).unwrap_or_default()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.field(name).is_some_and(|at| at.value.as_bool() == Some(true))
    }

    /// Whether its `@type` is this message.
    pub(super) fn is(&self, message: &str) -> bool {
        self.value.get("@type").and_then(Value::as_str).is_some_and(|url| url.rsplit('/').next() == Some(message))
    }
}

fn camel(name: &str) -> Option<String> {
    let mut words = name.split('_');
    let first = words.next()?.to_owned();
    Some(words.fold(first, |mut all, word| {
        let mut letters = word.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all.extend(letters);
        all
    }))
}
