//! Settles a value: the Rollout's own, else the mesh policy's default, else the built-in one; never looser than the limit.

use std::collections::BTreeMap;

use shunt_filter_core::Weight;

use super::MeshPolicy;
use crate::problems::Problems;
use crate::time::Span;

/// A value as people write it in a manifest.
pub(crate) trait AsWritten {
    /// The text in YAML.
    fn as_written(&self) -> String;
}

impl AsWritten for Weight {
    fn as_written(&self) -> String {
        self.as_percent().to_string()
    }
}

impl AsWritten for Span {
    fn as_written(&self) -> String {
        self.to_string()
    }
}

impl AsWritten for u64 {
    fn as_written(&self) -> String {
        self.to_string()
    }
}

/// How far a value may go, and which field of the mesh policy says so.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound<T> {
    /// At most this, if anything.
    AtMost(Option<T>, &'static str),
    /// At least this, if anything.
    AtLeast(Option<T>, &'static str),
}

impl<T: PartialOrd + Copy> Bound<T> {
    fn broken_by(&self, value: T) -> Option<(T, &'static str, &'static str)> {
        match self {
            Bound::AtMost(Some(limit), field) if value > *limit => Some((*limit, field, "less")),
            Bound::AtLeast(Some(limit), field) if value < *limit => Some((*limit, field, "more")),
            Bound::AtMost(..) | Bound::AtLeast(..) => None,
        }
    }
}

/// The source of values that neither a Rollout nor the mesh policy says.
pub const BUILT_IN: &str = "default";

/// Settles values one by one and records where each came from.
pub(crate) struct Settle<'a> {
    mesh: Option<&'a MeshPolicy>,
    /// Field path -> source, of what the Rollout does not say itself.
    pub(crate) sources: BTreeMap<String, String>,
}

impl<'a> Settle<'a> {
    pub(crate) fn new(mesh: Option<&'a MeshPolicy>) -> Self {
        Self { mesh, sources: BTreeMap::new() }
    }

    /// The source is the mesh policy's field of that path.
    pub(crate) fn mesh_says(&mut self, path: &str, field: &str) {
        let name = self.mesh.map_or("", |mesh| &mesh.name);
        self.sources.insert(path.to_owned(), format!("MeshPolicy {name} {field}"));
    }

    /// The source is Shunt itself.
    pub(crate) fn built_in(&mut self, path: &str) {
        self.sources.insert(path.to_owned(), BUILT_IN.to_owned());
    }

    /// The value of `spec.<field>` that holds, without limits.
    pub(crate) fn choose<T>(&mut self, field: &str, own: Option<T>, mesh: Option<T>, built_in: T) -> T {
        let path = format!("spec.{field}");
        match (own, mesh) {
            (Some(value), _) => value,
            (None, Some(value)) => {
                self.mesh_says(&path, &format!("spec.defaults.{field}"));
                value
            }
            (None, None) => {
                self.built_in(&path);
                built_in
            }
        }
    }

    /// The value of `spec.<field>` that holds: the Rollout's own is refused when looser than a bound, a default is brought to it.
    pub(crate) fn bounded<T: PartialOrd + Copy + AsWritten>(
        &mut self,
        field: &str,
        [own, mesh]: [Option<T>; 2],
        built_in: T,
        bounds: &[Bound<T>],
        problems: &mut Problems,
    ) -> T {
        let path = format!("spec.{field}");
        let mut value = self.choose(field, own, mesh, built_in);
        for bound in bounds {
            let Some((limit, limit_field, direction)) = bound.broken_by(value) else { continue };
            if own.is_some() {
                let (value, limit) = (value.as_written(), limit.as_written());
                problems.add(&path, format!("{value} is looser than MeshPolicy {limit_field} ({limit}): write {limit} or {direction}"));
            } else {
                self.mesh_says(&path, limit_field);
                value = limit;
            }
        }
        value
    }
}
