//! The Rollouts of the benchmark.

use anyhow::{Result, ensure};

/// The name of a Rollout.
pub(super) fn id(rollout: usize) -> String {
    format!("bench/service-{rollout}")
}

/// The file of its manifest.
pub(super) fn file(rollout: usize) -> String {
    format!("service-{rollout}.yaml")
}

/// With a long-lived rule, so that the service is in the policy also at rest; a canary that stays at 50 % under analysis for longer than the benchmark may take.
pub(super) fn manifest(rollout: usize, release: &str) -> Result<String> {
    ensure!(["v1", "v2"].contains(&release), "there is no {release}");
    let name = format!("service-{rollout}");
    Ok(format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: {name}, namespace: bench}}\nspec:\n  service: {{hosts: [{name}.bench.test], \
         defaultRoute: v1}}\n  versions:\n    - {{name: v1, cluster: {name}-v1}}\n    - {{name: v2, cluster: {name}-v2}}\n  release: {release}\n  key: [{{cookie: \
         shunt-id}}]\n  rules: [{{name: testers, match: [{{cookies: \
         {{beta: {{exact: \"1\"}}}}}}], version: v2}}]\n  progressDeadline: 2h\n  strategy: {{canary: {{steps: [{{setWeight: 50}}, {{analysis: {{duration: 12h}}}}]}}}}\n"
    ))
}
