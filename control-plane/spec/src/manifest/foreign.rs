//! Documents of other tools in a folder of manifests: a bootstrap of Envoy, a Deployment. They are skipped, and said to be.

use super::suggest::nearest;
use super::tree::{self, Node, Value};
use super::{API_VERSION, Head, ManifestError, Origin, read};

/// What a bootstrap of Envoy has at its top, and its extension files.
const ENVOY: [&str; 4] = ["static_resources", "dynamic_resources", "staticResources", "resources"];

/// Why a document is not Shunt's at all; none: it is, or is meant to be. A version that is nearly right is meant to be.
pub(super) fn foreign(node: &Node) -> Option<String> {
    let Value::Map(entries) = &node.value else { return None };
    let head: Head = read::leniently(node).unwrap_or_default();
    match head.api_version.as_deref() {
        Some(other) if other.split('/').next() == API_VERSION.split('/').next() => None,
        Some(other) if nearest(other, &[API_VERSION]).is_some() => None,
        Some(other) => Some(format!("apiVersion is {other}, not {API_VERSION}")),
        None => {
            let field = entries.iter().find(|entry| ENVOY.contains(&entry.key.as_str()))?;
            Some(format!("it has {}, so it is a configuration of Envoy", field.key))
        }
    }
}

/// What of a file is skipped, and why: one note for each document of another tool.
pub fn skipped(file: &str, text: &str) -> Vec<ManifestError> {
    let nodes = tree::documents(text).unwrap_or_default();
    let note = |node: &Node| Some(Origin::of(file, node).error("", format!("skipped: {}", foreign(node)?)));
    nodes.iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use test_case::test_case;

    #[test_case("apiVersion: apps/v1\nkind: Deployment\n", "skipped: apiVersion is apps/v1, not shunt.dev/v1alpha1"; "another resource")]
    #[test_case("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n", "skipped: apiVersion is argoproj.io/v1alpha1, not shunt.dev/v1alpha1"; "another Rollout")]
    #[test_case("static_resources: {}\n", "skipped: it has static_resources, so it is a configuration of Envoy"; "a bootstrap")]
    fn of_others(text: &str, note: &str) {
        assert_eq!(parse("a.yaml", text).unwrap(), []);
        assert_eq!(skipped("a.yaml", text).iter().map(|note| note.message.as_str()).collect::<Vec<_>>(), [note]);
    }

    #[test_case("apiVersion: shunt.dev/v1\nkind: Rollout\n"; "another version of ours")]
    #[test_case("apiVersion: shun.dev/v1alpha1\nkind: Rollout\n"; "a slip of the pen")]
    #[test_case("kind: Rollout\n"; "none")]
    fn what_is_meant_to_be_ours_is_refused(text: &str) {
        assert!(parse("a.yaml", text).is_err());
        assert_eq!(skipped("a.yaml", text), []);
    }

    #[test]
    fn others_stand_beside_ours() {
        let text = "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: shunt.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: mesh}\n";
        assert_eq!(parse("a.yaml", text).unwrap().len(), 1);
        assert_eq!(skipped("a.yaml", text).len(), 1);
    }
}
