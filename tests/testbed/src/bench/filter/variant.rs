//! What stands in Envoy's filter chain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Options;
use crate::locate;

/// Decides as the filter does and counts, in Lua.
const LUA: &str = include_str!("decide.lua");

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variant {
    /// Only the router.
    NoFilter,
    /// A module that does nothing.
    Noop,
    /// Lua that makes the same decision and counts.
    Lua,
    /// The filter with a policy for another host.
    NoPolicy,
    /// The filter with one rollout: key by cookie, 5 % on the candidate, analysis on.
    Rollout,
    /// As [`Variant::NoPolicy`], by the module of another build.
    NoPolicyBefore,
    /// As [`Variant::Rollout`], by the module of another build.
    RolloutBefore,
}

/// The modules that are compared.
#[derive(Debug)]
pub(super) struct Modules {
    noop: PathBuf,
    filter: PathBuf,
    /// Of another build.
    before: Option<PathBuf>,
}

impl Modules {
    pub(super) fn new(options: &Options) -> Result<Self> {
        let before = options.against.as_ref().map(|folder| folder.join("shunt_filter.wasm"));
        if let Some(before) = &before {
            ensure!(before.is_file(), "--against: there is no {}; name a folder with the module of an earlier build", before.display());
        }
        Ok(Self { noop: locate::noop()?, filter: locate::filter()?, before })
    }

    /// What is to be measured.
    pub(super) fn variants(&self) -> impl Iterator<Item = Variant> {
        let before = [Variant::NoPolicyBefore, Variant::RolloutBefore];
        Variant::ALL.into_iter().chain(before.into_iter().filter(|_| self.before.is_some()))
    }

    fn before(&self) -> &Path {
        self.before.as_deref().unwrap_or(&self.filter)
    }
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The sample shop, v1 and v2.
    Shop([SocketAddr; 2]),
    /// Envoy itself: the floor.
    Nothing,
}

impl Variant {
    pub(super) const ALL: [Self; 5] = [Self::NoFilter, Self::Noop, Self::Lua, Self::NoPolicy, Self::Rollout];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoFilter => "no filter",
            Self::Noop => "wasm no-op",
            Self::Lua => "Lua, same decision",
            Self::NoPolicy => "Shunt, other host",
            Self::Rollout => "Shunt, one rollout",
            Self::NoPolicyBefore => "before, other host",
            Self::RolloutBefore => "before, one rollout",
        }
    }

    /// True when some users go to v2.
    pub(super) fn decides(self) -> bool {
        match self {
            Self::Lua | Self::Rollout | Self::RolloutBefore => true,
            Self::NoFilter | Self::Noop | Self::NoPolicy | Self::NoPolicyBefore => false,
        }
    }

    /// The same by the module of another build.
    pub(super) fn before(self) -> Option<Self> {
        match self {
            Self::NoPolicy => Some(Self::NoPolicyBefore),
            Self::Rollout => Some(Self::RolloutBefore),
            Self::NoFilter | Self::Noop | Self::Lua | Self::NoPolicyBefore | Self::RolloutBefore => None,
        }
    }

    fn filters(self, modules: &Modules) -> Vec<Value> {
        let router =
            json!({"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}});
        let first = match self {
            Self::NoFilter => None,
            Self::Noop => Some(wasm(&modules.noop, None)),
            Self::Lua => Some(json!({"name": "lua", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": {"inline_string": LUA},
            }})),
            Self::NoPolicy => Some(wasm(&modules.filter, Some(&policy("other.test")))),
            Self::Rollout => Some(wasm(&modules.filter, Some(&policy("shop.test")))),
            Self::NoPolicyBefore => Some(wasm(modules.before(), Some(&policy("other.test")))),
            Self::RolloutBefore => Some(wasm(modules.before(), Some(&policy("shop.test")))),
        };
        first.into_iter().chain([router]).collect()
    }
}

/// A bootstrap with one listener `shunt` on a port that the kernel chooses.
pub(super) fn bootstrap(modules: &Modules, variant: Variant, behind: Behind, receiver: SocketAddr) -> String {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"name": "shunt", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(behind)}]},
        "http_filters": variant.filters(modules),
    });
    let mut clusters = vec![cluster("shunt-api", receiver)];
    if let Behind::Shop(upstreams) = behind {
        clusters.extend(["v1", "v2"].iter().zip(upstreams).map(|(version, address)| cluster(&version_cluster(version), address)));
    }
    let bootstrap = json!({
        "node": {"id": "bench", "cluster": "bench"},
        "static_resources": {
            "listeners": [{
                "name": "shunt",
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
            }],
            "clusters": clusters,
        },
    });
    bootstrap.to_string()
}

fn wasm(module: &Path, configuration: Option<&Value>) -> Value {
    let mut config = json!({
        "name": "shunt", "root_id": "shunt", "fail_open": true,
        "vm_config": {"vm_id": "shunt", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
    });
    if let Some(configuration) = configuration {
        config["configuration"] = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()});
    }
    json!({"name": "shunt", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config}})
}

/// As the control plane pushes it during a canary.
fn policy(host: &str) -> Value {
    json!({
        "format": 1,
        "generation": 1,
        "report": {"cluster": "shunt-api", "authority": "shunt-api", "intervalMs": 500, "heartbeatMs": 5000},
        "services": [{
            "name": "shop/checkout",
            "hosts": [host],
            "epoch": 1,
            "stable": "v1",
            "defaultRoute": "v1",
            "versions": [{"name": "v1", "clusters": [version_cluster("v1")]}, {"name": "v2", "clusters": [version_cluster("v2")]}],
            "key": [{"cookie": "shunt-id"}],
            "split": {"salt": "shop/checkout/1", "ranges": [{"from": 0, "to": 50_000, "version": "v2"}]},
            "analysis": true,
        }],
    })
}

fn version_cluster(version: &str) -> String {
    format!("shunt/shop/checkout/{version}")
}

/// As the control plane renders them: one exact match per value of the header, then the default.
fn routes(behind: Behind) -> Vec<Value> {
    let header = |version: &str| json!([{"name": "x-shunt-route", "string_match": {"exact": format!("shop/checkout/{version}")}}]);
    let action = |version: &str| match behind {
        Behind::Shop(_) => json!({"route": {"cluster": version_cluster(version)}}),
        Behind::Nothing => json!({
            "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
            "response_headers_to_add": [{"header": {"key": "x-version", "value": version}}],
        }),
    };
    let route = |version: &str, matched: Value| {
        let mut route = action(version);
        route["match"] = matched;
        route
    };
    let versions = ["v1", "v2"].map(|version| route(version, json!({"prefix": "/", "headers": header(version)})));
    versions.into_iter().chain([route("v1", json!({"prefix": "/"}))]).collect()
}

fn cluster(name: &str, address: SocketAddr) -> Value {
    let endpoint =
        json!({"endpoint": {"address": {"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}}}});
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}
