//! Views made by hand.

use serde_json::json;
use shunt_api::proxies::ProxyList;
use shunt_api::rollouts::RolloutList;
use shunt_core::status::RolloutStatus;
use shunt_spec::Time;

/// 2026-11-21 10:00:15 UTC.
pub(super) const NOW: Time = Time(1_795_255_215_000);

fn before(millis: u64) -> u64 {
    NOW.0 - millis
}

/// A canary in its second step, with one slow proxy.
pub(super) fn progressing() -> RolloutStatus {
    serde_json::from_value(json!({
        "id": "shop/checkout", "phase": "Progressing", "message": "4m of the pause are left", "revision": 12, "attempt": 2,
        "stable": "v1", "release": "v2", "candidate": "v2",
        "step": {"number": 2, "of": 5, "kind": "pause", "text": "pause 10m", "since": before(192_000)},
        "versions": [
            {"name": "v1", "role": "stable", "weight": 95, "share": 95.06, "requests": 18_233, "failed": 12, "open": 4},
            {"name": "v2", "role": "candidate", "weight": 5, "share": 4.94, "requests": 948, "failed": 5, "open": 0},
        ],
        "calls": [
            {"id": "1/1/board", "name": "board", "kind": "gate", "about": "gate board before step 1 of 5", "asks": "an operator",
             "attempt": 2, "state": "yes", "tries": 0, "since": before(400_000), "at": before(300_000), "by": "ann", "note": "looks good"},
            {"id": "1/2/migrate", "name": "migrate", "kind": "hook", "about": "hook migrate before step 2 of 5", "asks": "command /bin/migrate",
             "attempt": 2, "state": "done", "tries": 2, "since": before(300_000), "at": before(250_000), "by": "/bin/migrate", "note": "3 tables"},
            {"id": "9-3-1/load", "name": "load", "kind": "hook", "about": "hook load after stepped of v2", "asks": "webhook load.test",
             "event": "stepped", "attempt": 2, "state": "waiting", "tries": 3, "since": before(9_000), "at": before(2_000),
             "next": before(0) + 5_000, "note": "status 503 Service Unavailable"},
        ],
        "verdicts": [
            {"metric": "errors", "outcome": "needMoreData", "value": "5/948 (0.53 %)", "baseline": "12/18233 (0.07 %)",
             "samples": 948, "threshold": "E ≥ 400",
             "message": "errors: v2 failed 5/948 (0.53 %), v1 12/18233 (0.07 %); E is 31"},
            {"metric": "slow", "outcome": "pass", "value": "p99 120ms", "baseline": "", "samples": 948,
             "threshold": "p99 ≤ 300ms", "message": "slow: p99 of 948 requests of v2 is at most 200ms"},
        ],
        "policy": {"live": {"since": before(190_000), "proxies": 1}},
        "routes": {"waiting": {"behind": ["edge-2"]}},
        "misrouted": 3, "warnings": ["edge-2 has not reported for 31s"], "notes": ["spec.key comes from the MeshPolicy"], "at": NOW,
    }))
    .unwrap()
}

/// Refused by the analysis.
pub(super) fn degraded() -> RolloutStatus {
    let reason = "v2 was refused: v2 failed 5/48 (10.4 %), v1 0/912; 31 users saw v2; all on v1";
    RolloutStatus {
        id: "shop/search".parse().unwrap(),
        phase: shunt_core::Phase::Degraded,
        message: reason.to_owned(),
        candidate: None,
        concluded: None,
        rejected: None,
        step: None,
        verdicts: Vec::new(),
        calls: Vec::new(),
        contest: shunt_core::contest::Contest::default(),
        misrouted: 0,
        warnings: Vec::new(),
        ..progressing()
    }
}

/// At rest, without any traffic yet.
pub(super) fn healthy() -> RolloutStatus {
    serde_json::from_value(json!({
        "id": "blog/checkout", "phase": "Healthy", "message": "v7 is stable", "revision": 1, "attempt": 0,
        "stable": "v7", "release": "v7", "candidate": null, "step": null,
        "versions": [{"name": "v7", "role": "stable", "weight": 100, "share": null, "requests": 0, "failed": 0, "open": 0}],
        "verdicts": [],
        "policy": {"unknown": {"since": before(65_000)}},
        "routes": {"rejected": {"node": "edge-1", "error": "no such cluster"}},
        "misrouted": 0, "warnings": [], "notes": [], "at": NOW,
    }))
    .unwrap()
}

/// All of them, and a manifest that is wrong.
pub(super) fn list() -> RolloutList {
    let problems = json!([{"file": "cart.yaml", "line": 7, "column": 3, "path": "spec.release", "message": "is v9: write one of v1, v2",
                           "rollout": "shop/cart"}]);
    RolloutList {
        rollouts: vec![healthy(), progressing(), degraded()],
        problems: serde_json::from_value(problems).unwrap(),
        notices: Vec::new(),
    }
}

/// One proxy that is well, one that is slow and refuses, one that left.
pub(super) fn proxies() -> ProxyList {
    serde_json::from_value(json!({"generation": 41, "version": "0.1.0", "proxies": [
        {"node": "edge-1", "connected": true, "expected": true, "generation": 41, "vms": 3, "lastReport": before(400), "silent": false, "rejected": []},
        {"node": "edge-2", "connected": true, "expected": true, "generation": 39, "vms": 3, "lastReport": before(31_000), "silent": true,
         "rejected": [{"kind": "extensions", "error": "Unable to create Wasm plugin shunt"}]},
        {"node": "edge-3", "connected": true, "expected": true, "generation": 38, "vms": 2, "lostVms": 1, "deadVms": 1, "modules": ["0.0.9"],
         "misrouted": 1_204, "unrouted": 3, "lastMisrouted": before(90_000), "lastReport": before(900), "silent": false, "rejected": []},
        {"node": "edge-4", "connected": true, "expected": true, "generation": 41, "vms": 3, "lostVms": 0, "deadVms": 1, "modules": ["0.1.0"],
         "misrouted": 7, "lastMisrouted": before(7_200_000), "lastReport": before(900), "silent": false, "rejected": []},
        {"node": "old", "connected": false, "expected": false, "generation": null, "vms": 0, "lastReport": null, "silent": true, "rejected": []},
    ]}))
    .unwrap()
}
