//! Each recipe of METRICS.md is a template that compiles in a Rollout.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;

use shunt_spec::Context;
use shunt_spec::manifest::{Document, parse};
use shunt_spec::rollout::analysis::{AnalysisTemplate, Templates};

fn recipes() -> Vec<Document> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../METRICS.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(|block| parse("METRICS.md", block).unwrap_or_else(|errors| panic!("{errors:#?}"))).collect()
}

/// With something for each argument that has no default.
fn rollout_with(template: &AnalysisTemplate) -> String {
    let open = template.spec.args.iter().flatten().filter(|arg| arg.value.is_none()).filter_map(|arg| arg.name.as_deref());
    let args: Vec<String> = open.map(|name| format!("{name}: \"https://{name}.test\"")).collect();
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout}}
spec:
  service: {{hosts: [shop.test]}}
  versions:
    - {{name: v1, endpoints: ['127.0.0.1:9001']}}
    - {{name: v2, endpoints: ['127.0.0.1:9002']}}
  release: v1
  analysis: {{templates: [{{name: {}, args: {{{}}}}}]}}
",
        template.name,
        args.join(", ")
    )
}

#[test]
fn every_recipe_compiles() {
    let documents = recipes();
    let templates = Templates::of(&documents);
    let all: Vec<&AnalysisTemplate> = documents.iter().filter_map(Document::analysis_template).collect();
    assert!(all.len() >= 12 && all.len() == documents.len(), "{} recipes", all.len());
    for template in all {
        let rollout = parse("a.yaml", &rollout_with(template)).unwrap();
        let plan = rollout
            .first()
            .unwrap()
            .compile(&Context { mesh: None, templates: &templates })
            .unwrap_or_else(|errors| panic!("{}: {errors:#?}", template.name));
        assert_eq!(plan.analysis.external_metrics.len(), 1, "{}", template.name);
        let text = serde_json::to_string(&plan.analysis.external_metrics).unwrap();
        assert!(!text.contains("{{args."), "{}: {text}", template.name);
    }
}

#[test]
fn the_built_in_ones_compile_with_nothing_but_an_address() {
    for name in ["shadow-status", "shadow-latency"] {
        let template = AnalysisTemplate { name: name.to_owned(), namespace: None, spec: Default::default() };
        let text = rollout_with(&template).replace("args: {}", "args: {prometheus: \"http://prometheus:9090\"}");
        let rollout = parse("a.yaml", &text).unwrap();
        let plan = rollout.first().unwrap().compile(&Context::default()).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let text = serde_json::to_string(&plan.analysis.external_metrics).unwrap();
        assert!(text.contains("{{shadowCluster}}") && text.contains("{{clusters}}") && !text.contains("{{args."), "{text}");
    }
}
