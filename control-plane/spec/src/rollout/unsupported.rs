//! Fields that the design has and this version does not: said so by name, with what to write instead.

/// What to say about a field of a Rollout, by its path with `[]` for every index; none when it is not one of these.
pub(crate) fn rollout(path: &str) -> Option<String> {
    let message = match path {
        "spec.versions[].deployment" => unsupported(
            "Deployments (Kubernetes)",
            "write command with instances, endpoints: [\"host:port\"], dns, or cluster with your own Envoy's cluster",
        ),
        "spec.versions[].replicas" | "spec.scale" => "unknown field; write instances beside command, in spec.versions".to_owned(),
        "spec.workloadRef" => unsupported("following a workload", "list versions with command or endpoints, and change release"),
        "spec.flags" => "unknown field; write flag: {name: ..}: a Rollout decides one flag".to_owned(),
        "spec.analysis.metrics[].successRate.noWorseThanStable.margin" => unsupported("a margin", "write noWorseThanStable: {}"),
        _ => return other(path),
    };
    Some(message)
}

/// Fields that stand somewhere else, or have another name than people expect.
fn other(path: &str) -> Option<String> {
    let message = match path {
        "spec.strategy.canary.steps[].rule.version" => "is always the candidate in a step: remove it, or move the rule to spec.rules",
        "spec.strategy.canary.steps[].weight" => "unknown field; did you mean setWeight?",
        "spec.strategy.canary.steps[].mirror.percent" => "unknown field; write weight (percent of requests copied)",
        "spec.strategy.canary.steps[].mirror.percentage" => "unknown field; write weight (percent of requests copied)",
        "spec.strategy.canary.steps[].mirror.version" => "is always the candidate: remove it",
        "spec.strategy.steps" => "unknown field; write strategy: {canary: {steps: [...]}}",
        "spec.versions[].weight" => "unknown field; weights are steps: strategy: {canary: {steps: [{setWeight: 5}]}}",
        "spec.host" | "spec.hosts" => "unknown field; write service: {hosts: [...]}",
        "spec.service.host" | "spec.service.name" => "unknown field; write hosts: [...]",
        "spec.metrics" => "unknown field; write analysis: {metrics: [...]}",
        "spec.candidate" | "spec.stable" => "unknown field; roles are not written: release names the version that should be stable",
        "spec.hooks.loadTest" => "unknown field; write onStep: it is called whenever a step is entered",
        "spec.webhooks" | "spec.analysis.webhooks" => "unknown field; write gates, hooks or notifications",
        "status" => "is not written in a manifest: remove it",
        _ => return None,
    };
    Some(message.to_owned())
}

/// What to say about a field of a MeshPolicy.
pub(crate) fn mesh_policy(path: &str) -> Option<String> {
    match path {
        "spec.overrides[].version" => Some("unknown field; a mesh-wide override names a role: to: candidate, or to: stable".to_owned()),
        "spec.namespaces" => Some(unsupported("a policy per namespace", "remove the field: the policy holds for all")),
        _ => None,
    }
}

fn unsupported(what: &str, instead: &str) -> String {
    format!("this version of Shunt does not do it yet ({what}): {instead}")
}
