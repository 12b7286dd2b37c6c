//! Keys: whether users keep their version.

use shunt_filter_core::policy::{KeySource, Keyless};

use super::Lint;

impl Lint<'_> {
    pub(super) fn key(&mut self) {
        let chain = &self.plan.key;
        let Some(first) = chain.first() else {
            let message = "no key is configured, so every request is split anew and users change version all the time: write for example [{cookie: shunt-id, generate: {maxAge: 30d}}]";
            return self.warn("spec.key", message);
        };
        if chain.len() > 1 && first.generate.is_none() {
            let message = format!(
                "users who come without {} and have it later (at login) change version then: put first what a user has from the beginning, for example a generated cookie",
                name(first)
            );
            self.warn("spec.key[0]", message);
        }
        if self.plan.keyless == Keyless::Split {
            self.warn(
                "spec.keyless",
                "users without a key change version with every request: write stable, or add an entry with generate to key",
            );
        }
    }
}

fn name(source: &KeySource) -> String {
    let named = [("cookie", &source.cookie), ("header", &source.header), ("query parameter", &source.query)];
    let found = named.into_iter().find_map(|(kind, name)| name.as_ref().map(|name| format!("{kind} {name}")));
    found.unwrap_or_else(|| "the first entry".to_owned())
}
