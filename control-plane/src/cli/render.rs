//! `shunt render`: what would be published, and a bootstrap with which an Envoy starts while no control plane is there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use shunt_api::rollouts::RolloutList;
use shunt_core::State;
use shunt_core::desired::{Routes, desired};
use shunt_core::instance::InstanceState;
use shunt_core::merge::merge;
use shunt_core::replay::Incident;
use shunt_core::state::Installation;
use shunt_filter_core::{RoutingPolicy, VersionName};
use shunt_spec::Plan;
use shunt_spec::plan::Backend;
use shunt_xds::{Bootstrap, ProxyConfig, static_bootstrap};

use super::client::Client;
use super::console::{Console, Format};
use super::envoy_bootstrap::{endpoint, node, secrets};
use super::exit::Exit;
use super::manifests::Manifests;
use crate::cadence::Cadence;
use crate::module::load;
use crate::standalone::Database;

const EXAMPLES: &str =
    "Without --static: policy and routes. Of manifests: at rest, all on the version in `release:`. Of --data, or of the control plane at
--server: as they are now.

With --static: a whole bootstrap, the last that was good. An Envoy starts with it while no control plane is there: listener, routes,
clusters, endpoints and the policy are in the file, users keep their version. When the control plane is back, it takes over the policy
(weights, rules, aborts) of the versions in the file, and reports arrive. New versions, other endpoints and the default route come only
with the ordinary bootstrap (`shunt envoy-bootstrap`): Envoy does not let go of what stands in its file. So change back then. Of versions
by command or register it names the instances that are ready when it is made: make it anew when they move.

Examples:
  shunt render rollouts/
  shunt render --static --node edge-1 --listen 0.0.0.0:10000 > static.yaml && envoy -c static.yaml
  shunt render --static --node edge-1 --tls ./certs --xds control.internal:18000 --api control.internal:18080 > static.yaml
  shunt render --static --node edge-1 --data /var/lib/shunt --module /opt/shunt/filter.wasm > static.yaml     while it is down";

/// What to render.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenderArgs {
    /// Manifests, or folders with them [default: ask the control plane]
    #[arg(value_name = "FILES", conflicts_with = "data")]
    files: Vec<PathBuf>,

    /// The state folder of a control plane that does not run (`shunt serve --data`)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// A bootstrap for an Envoy that starts without a control plane
    #[arg(long = "static", requires = "node")]
    static_bootstrap: bool,

    /// With --static: the proxy's node id, the same as in its ordinary bootstrap
    #[arg(long, value_name = "NODE", value_parser = node)]
    node: Option<String>,

    /// With --static: where the proxy listens for requests
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10000")]
    listen: SocketAddr,

    /// With --static: where Envoy's own admin interface listens; port 0: a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    admin: SocketAddr,

    /// With --static: where the control plane will serve xDS
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18000", value_parser = endpoint)]
    xds: String,

    /// With --static: where the control plane will take reports
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:18080", value_parser = endpoint)]
    api: String,

    /// With --static: the filter's module as a file on the proxy's machine [default: in the bootstrap itself]
    #[arg(long, value_name = "FILE")]
    module: Option<String>,

    /// With --static: folder as written by `shunt certs`, with the certificate of this node: mutual TLS for xDS and reports
    #[arg(long, value_name = "DIR", requires = "static_bootstrap")]
    tls: Option<PathBuf>,
}

/// What would be published.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rendered {
    policy: RoutingPolicy,
    routes: Vec<Routes>,
}

/// `shunt render`
pub(crate) async fn run(args: &RenderArgs, client: impl Fn() -> anyhow::Result<Client>, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let rendered = match (&args.data, args.files.is_empty()) {
        (Some(folder), _) => recorded(folder).await?,
        (None, false) => at_rest(&Manifests::sound(&args.files)?),
        (None, true) => published(&client()?).await?,
    };
    match (&args.node, args.static_bootstrap) {
        (Some(node), true) => console.line(&args.bootstrap(node, rendered)?)?,
        (_, _) if console.format == Format::Text => console.line(&serde_saphyr::to_string(&rendered)?)?,
        (_, _) => console.show(&rendered, |_| Vec::new())?,
    }
    Ok(Exit::Done)
}

impl RenderArgs {
    fn bootstrap(&self, node: &str, rendered: Rendered) -> anyhow::Result<String> {
        fixed(&rendered.routes)?;
        let module = match &self.module {
            Some(_) => Arc::from([]),
            None => load(None).context("--module FILE names one on the proxy's machine instead")?,
        };
        let report = rendered.policy.report.clone().unwrap_or_else(|| Cadence::default().report(true, shunt_spec::Time(0)));
        let policy = RoutingPolicy { report: Some(report), ..rendered.policy };
        let config = ProxyConfig { routes: rendered.routes, policy: serde_json::to_string(&policy)?, module };
        Ok(static_bootstrap(
            &config,
            &Bootstrap {
                node: node.to_owned(),
                listen: self.listen,
                admin: self.admin,
                xds: self.xds.clone(),
                api: self.api.clone(),
                module: self.module.clone(),
                state_of_the_world: false,
                tls: self.tls.as_deref().map(|folder| secrets(folder, node)).transpose()?,
            },
        )?)
    }
}

/// Manifests do not say where instances are that come and go; and a file whose default route leads nowhere is no good one.
fn fixed(routes: &[Routes]) -> anyhow::Result<()> {
    for one in routes {
        for version in &one.versions {
            let moves = version.backend.has_instances();
            anyhow::ensure!(
                !moves,
                "instances of {} {} come and go, so its manifest does not say where they are: leave FILES out to ask the control plane \
                 (--server), or name its state (--data)",
                one.id,
                version.name
            );
            anyhow::ensure!(
                version.name != one.default || version.backend.endpoints().is_none_or(|endpoints| !endpoints.is_empty()),
                "{} {} gets what nothing else claims, and none of its instances is ready: try again when one is (`shunt get {}`)",
                one.id,
                version.name,
                one.id
            );
        }
    }
    Ok(())
}

/// Puts the addresses of instances that are in discovery into routes.
fn fill(routes: &mut Routes, ready: impl Fn(&VersionName) -> Vec<String>) {
    for version in &mut routes.versions {
        if version.backend.has_instances() {
            version.backend = Backend::at(ready(&version.name));
        }
    }
}

fn at_rest(plans: &[Plan]) -> Rendered {
    let all = plans.iter().map(|plan| {
        let mut state = State::initial(plan);
        state.installed.values_mut().for_each(|version| version.stage = Installation::Serving);
        desired(plan, &state)
    });
    let all: Vec<_> = all.collect();
    Rendered { policy: merge(0, None, &all), routes: all.into_iter().filter_map(|desired| desired.routes).collect() }
}

async fn recorded(folder: &Path) -> anyhow::Result<Rendered> {
    anyhow::ensure!(folder.is_dir(), "{} is no folder: name the one that `shunt serve --data` uses", folder.display());
    let database = Database::open(folder)
        .with_context(|| format!("{}: while a control plane runs on it, ask that one (--server)", folder.display()))?;
    let stored = database.rollouts().await?;
    let (policy, _) = database.policy().await?;
    let all: Vec<_> = stored.iter().map(|stored| desired(&stored.plan, &stored.state)).collect();
    let (instances, _) = database.instances().await?;
    let policy = merge(policy.generation, None, &all);
    let mut routes: Vec<Routes> = all.into_iter().filter_map(|desired| desired.routes).collect();
    for one in &mut routes {
        let id = one.id.clone();
        fill(one, |version| {
            let own = instances.iter().filter(|record| record.rollout == id && record.version == *version);
            own.filter_map(|record| record.instance.discovered().map(str::to_owned)).collect()
        });
    }
    Ok(Rendered { policy, routes })
}

/// The policy as published; routes from where each Rollout is.
async fn published(client: &Client) -> anyhow::Result<Rendered> {
    let list: RolloutList = client.get(&["rollouts"]).await?;
    let mut routes = Vec::new();
    for view in &list.rollouts {
        let path = ["rollouts", view.id.namespace(), view.id.name(), "journal"];
        let incident: Incident = client.get_with(&path, &[("limit", "1")]).await?;
        let last = incident.entries.last().and_then(|entry| Some((incident.plans.get(&entry.plan)?, &entry.next)));
        let Some(mut own) = last.and_then(|(plan, state)| desired(plan, state).routes) else { continue };
        fill(&mut own, |version| {
            let shown = view.versions.iter().filter(|shown| shown.name == *version).flat_map(|shown| &shown.instances);
            // What is in discovery.
            shown.filter(|one| one.state == InstanceState::Ready).filter_map(|one| one.address.clone()).collect()
        });
        routes.push(own);
    }
    Ok(Rendered { policy: client.get(&["policy"]).await?, routes })
}
