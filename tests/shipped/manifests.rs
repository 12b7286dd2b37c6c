//! Every manifest in `envoy/` and every YAML block of the README is accepted as it stands.

use super::read;

fn accepted(name: &str, text: &str) {
    let documents = shunt_spec::manifest::parse(name, text).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
    assert!(!documents.is_empty(), "{name} holds nothing");
}

#[test]
fn manifests_of_envoy() {
    for file in ["envoy/managed/checkout.yaml", "envoy/own-routes/checkout.yaml"] {
        accepted(file, &read(file));
    }
}

#[test]
fn every_strategy_compiles_without_warnings_and_stands_beside_the_others() {
    let files = ["recreate", "rolling-update", "blue-green", "canary", "ab-test", "shadow", "flag", "composed"];
    let read = |name: &&str| (format!("envoy/strategies/{name}.yaml"), read(&format!("envoy/strategies/{name}.yaml")));
    let mut plans = Vec::new();
    for (file, text) in files.iter().map(read) {
        accepted(&file, &text);
        for document in shunt_spec::manifest::parse(&file, &text).unwrap_or_default() {
            let plan = document.compile(&shunt_spec::Context::default()).unwrap_or_else(|errors| panic!("{file}: {errors:?}"));
            let warnings = shunt_spec::lint::lint(document.rollout().unwrap(), &plan);
            assert!(warnings.is_empty(), "{file}: {warnings:?}");
            plans.push((plan, shunt_spec::time::Time(0)));
        }
    }
    let together: Vec<_> = plans.iter().map(|(plan, seen)| (plan, *seen)).collect();
    assert_eq!(shunt_spec::manifest::conflicts(&together), std::collections::BTreeMap::new());
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
