//! Every manifest in `envoy/` and every YAML block of the README is accepted as it stands.

use super::read;

fn accepted(name: &str, text: &str) {
    let documents = shunt_core::manifest::parse(name, text).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    assert!(!documents.is_empty(), "{name} holds nothing");
}

#[test]
fn manifests_of_envoy() {
    for file in ["envoy/managed/checkout.yaml", "envoy/own-routes/checkout.yaml"] {
        accepted(file, &read(file));
    }
}

#[test]
fn yaml_of_the_readme() {
    let readme = read("README.md");
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "the README shows no manifest");
    for block in blocks {
        accepted("README.md", block);
    }
}
