//! Golden files of rendering: `tests/golden/*.json` (a configuration) -> `*.txt` (the resources). Adding a case is adding a file;
//! `UPDATE=1 cargo test -p shunt-xds --test golden` writes the text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig as Aggregate;
use envoy_types::pb::envoy::extensions::filters::http::rbac::v3::Rbac;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation as EarlyHeaderMutation;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions as UpstreamOptions;
use envoy_types::pb::google::protobuf::StringValue;
use prost::{Message, Name};
use serde::Deserialize;
use shunt_core::desired::Routes;
use shunt_xds::resource::{Kind, Resource};
use shunt_xds::{Inconsistent, NodeInfo, ProxyConfig, Snapshot, render};

#[derive(Deserialize)]
struct Case {
    routes: Vec<Routes>,
    listen: Option<std::net::SocketAddr>,
    module: Option<String>,
}

/// How a message of that type prints; none: a type that no case has had yet.
fn decoded(type_url: &str, bytes: &[u8]) -> Option<String> {
    fn print<M: Message + Default + Name + std::fmt::Debug>(type_url: &str, bytes: &[u8]) -> Option<String> {
        (type_url.strip_prefix("type.googleapis.com/")? == M::full_name())
            .then(|| format!("{:#?}", M::decode(bytes).expect("its own type")))
    }
    let printers = [
        print::<Cluster>,
        print::<ClusterLoadAssignment>,
        print::<Listener>,
        print::<RouteConfiguration>,
        print::<TypedExtensionConfig>,
        print::<HttpConnectionManager>,
        print::<EarlyHeaderMutation>,
        print::<Wasm>,
        print::<Rbac>,
        print::<Router>,
        print::<Aggregate>,
        print::<UpstreamOptions>,
        print::<PreviousHostsPredicate>,
        print::<PreviousPrioritiesConfig>,
        print::<StringValue>,
    ];
    printers.iter().find_map(|printer| printer(type_url, bytes))
}

fn text(resource: &Resource) -> String {
    brief(&decoded(&resource.body.type_url, &resource.body.value).expect("a known type"))
}

/// Without fields that say nothing, and with messages inside messages decoded.
fn brief(text: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let (mut type_url, mut bytes) = (String::new(), None::<Vec<u8>>);
    for line in text.lines() {
        let inner = line.trim();
        if let Some(run) = &mut bytes {
            match inner.trim_end_matches(',').parse::<u8>() {
                Ok(byte) => run.push(byte),
                Err(_) => {
                    let indent = line.len() - inner.len();
                    kept.extend(nested(&type_url, &bytes.take().unwrap_or_default()).lines().map(|line| format!("{:indent$}{line}", "")));
                }
            }
            continue;
        }
        if let Some(url) = inner.strip_prefix("type_url: \"") {
            type_url = url.trim_end_matches("\",").to_owned();
        }
        let nothing = [": None,", ": [],", ": {},", ": \"\",", ": 0,", ": false,"].iter().any(|end| inner.ends_with(end));
        if inner == "value: [" {
            bytes = Some(Vec::new());
        } else if !nothing {
            kept.push(line.to_owned());
        }
    }
    kept.join("\n")
}

fn nested(type_url: &str, bytes: &[u8]) -> String {
    brief(&decoded(type_url, bytes).unwrap_or_else(|| panic!("{type_url} is new in golden files: add it to `decoded`")))
}

fn snapshot(path: &Path) -> Result<Snapshot, Inconsistent> {
    let text = std::fs::read_to_string(path).expect("a case");
    let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let config = ProxyConfig { routes: case.routes, policy: "{\"format\":1}".to_owned(), module: Arc::from(b"wasm".as_slice()) };
    let node = NodeInfo { id: "edge-1".to_owned(), listen: case.listen, module: case.module };
    render(&config, &node)
}

fn rendered(path: &Path) -> String {
    let snapshot = match snapshot(path) {
        Ok(snapshot) => snapshot,
        Err(error) => return format!("refused: {error}\n"),
    };
    let mut printed = String::new();
    for kind in Kind::ALL {
        for resource in snapshot.of(kind) {
            writeln!(printed, "== {kind:?} {}\n{}\n", resource.name, text(resource)).expect("memory");
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

/// Versions are hashes of bytes, so a restarted server must make the very same bytes of the same configuration.
#[test]
fn the_same_configuration_has_the_same_versions() {
    let case = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mirror.json");
    let versions = || {
        let snapshot = snapshot(&case).expect("a consistent configuration");
        let all = Kind::ALL.into_iter().flat_map(|kind| snapshot.of(kind).map(|r| (r.name.clone(), r.version.clone())).collect::<Vec<_>>());
        all.collect::<Vec<_>>()
    };
    let first = versions();
    assert!(first.len() > 8);
    for _ in 0..20 {
        assert_eq!(versions(), first);
    }
}
