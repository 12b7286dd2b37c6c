//! Golden files of rendering: `tests/golden/*.json` (a world) -> `*.txt` (the resources). Adding a case is adding a world;
//! `UPDATE=1 cargo test -p shunt-xds --test golden` writes the text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use prost::Message;
use serde::Deserialize;
use shunt_core::desired::Routes;
use shunt_xds::resource::{Kind, Resource};
use shunt_xds::{NodeInfo, World, render};

#[derive(Deserialize)]
struct Case {
    routes: Vec<Routes>,
    listen: Option<std::net::SocketAddr>,
    module: Option<String>,
}

fn text(kind: Kind, resource: &Resource) -> String {
    let bytes = resource.body.value.as_slice();
    let whole = match kind {
        Kind::Cluster => format!("{:#?}", Cluster::decode(bytes).expect("a cluster")),
        Kind::Endpoints => format!("{:#?}", ClusterLoadAssignment::decode(bytes).expect("endpoints")),
        Kind::Listener => format!("{:#?}", Listener::decode(bytes).expect("a listener")),
        Kind::Routes => format!("{:#?}", RouteConfiguration::decode(bytes).expect("routes")),
        Kind::Extension => format!("{:#?}", TypedExtensionConfig::decode(bytes).expect("an extension")),
    };
    brief(&whole)
}

/// Without fields that say nothing, and with bytes on one line.
fn brief(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut bytes: Option<String> = None;
    for line in text.lines() {
        let inner = line.trim();
        if let Some(run) = &mut bytes {
            match inner.trim_end_matches(',').parse::<u8>() {
                Ok(byte) => run.push(if byte.is_ascii_graphic() || byte == b' ' { byte.into() } else { '.' }),
                Err(_) => {
                    let run = bytes.take().unwrap_or_default();
                    let last = kept.last_mut().expect("a line before");
                    write!(last, " {run:?}]").expect("memory");
                }
            }
            continue;
        }
        let nothing = [": None,", ": [],", ": {},", ": \"\",", ": 0,", ": false,"].iter().any(|end| inner.ends_with(end));
        if !nothing {
            kept.push(line.to_owned());
        }
        if inner == "value: [" {
            bytes = Some(String::new());
        }
    }
    kept.join("\n")
}

fn rendered(path: &Path) -> String {
    let case: Case = serde_json::from_str(&std::fs::read_to_string(path).expect("a case")).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let world = World { routes: case.routes, policy: "{\"format\":1}".to_owned(), module: Arc::from(b"wasm".as_slice()) };
    let node = NodeInfo { id: "edge-1".to_owned(), listen: case.listen, module: case.module };
    let snapshot = match render(&world, &node) {
        Ok(snapshot) => snapshot,
        Err(error) => return format!("refused: {error}\n"),
    };
    let mut printed = String::new();
    for kind in Kind::ALL {
        for resource in snapshot.of(kind) {
            writeln!(printed, "== {kind:?} {}\n{}\n", resource.name, text(kind, resource)).expect("memory");
        }
    }
    printed
}

#[test]
fn golden() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    cases.sort();
    assert!(cases.len() >= 6, "cases are missing");
    for case in cases {
        let (printed, golden) = (rendered(&case), case.with_extension("txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &printed).expect("written");
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(printed == expected, "{} differs (UPDATE=1 writes it anew):\n{printed}", golden.display());
    }
}

#[test]
fn the_same_world_has_the_same_versions() {
    let case = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/canary.json");
    assert_eq!(rendered(&case), rendered(&case));
}
