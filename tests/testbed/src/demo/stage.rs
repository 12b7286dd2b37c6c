//! What the acts play on: the shop in five versions, a control plane, two Envoys, a thousand users.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::picture::Picture;
use crate::load::{Load, RunningLoad, Users};
use crate::tally::Tally;
use crate::{Client, ControlPlane, Envoy, EnvoyOptions, Shop, envoy, locate, until};

/// The Rollout of the demo.
pub(crate) const ROLLOUT: &str = "shop/checkout";

/// Its manifest.
pub(crate) const FILE: &str = "checkout.yaml";
/// What callers ask for.
pub(crate) const HOST: &str = "shop.test";
const USERS: usize = 1_000;
const WAIT: Duration = Duration::from_secs(30);

/// Steps of an ordinary release: copies first, then more and more users.
pub(crate) const CANARY: &str =
    "[{mirror: {weight: 10}}, {pause: {duration: 1s}}, {setWeight: 5}, {setWeight: 25}, {setWeight: 50}, {setWeight: 100}]";

/// Steps of a careful one: at 5 % until the analysis has looked for a while.
pub(crate) const CAREFUL: &str = "[{setWeight: 5}, {analysis: {duration: 30s}}, {setWeight: 50}]";

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) shops: Vec<Shop>,
    pub(crate) control: ControlPlane,
    proxies: Vec<(Envoy, SocketAddr)>,
    loads: Vec<RunningLoad>,
    users: usize,
}

impl Stage {
    pub(super) async fn set(picture: &Picture) -> Result<Self> {
        picture.title("Setting the stage");
        let mut shops = Vec::new();
        for version in 1..=5 {
            shops.push(Shop::start(&format!("v{version}")).await?);
        }
        picture.say(format!("checkout v1 to v5: five processes, {} to {}", shops[0].address(), shops[4].address()));
        let control = ControlPlane::start(&[(FILE, &manifest(&shops, "v1", CANARY))]).await?;
        picture.say(format!("shunt serve: xDS at {}, API at {}", control.xds(), control.api()));
        let mut proxies = Vec::new();
        for number in 1..=2 {
            proxies.push(proxy(&control, number).await?);
            picture.say(format!("Envoy edge-{number}: {}", proxies[number - 1].1));
        }
        in_place(&control, proxies.len()).await?;
        Ok(Self { shops, control, proxies, loads: Vec::new(), users: USERS })
    }

    /// With these manifests, file name and text, and versions that the control plane runs itself.
    pub(super) async fn play(picture: &Picture, manifests: &[(&str, &str)]) -> Result<Self> {
        picture.title("Setting the stage");
        let control = ControlPlane::start(manifests).await?;
        picture.say(format!("shunt serve: xDS at {}, API at {}", control.xds(), control.api()));
        let stage = Self::before(control).await?;
        for (number, (_, edge)) in stage.proxies.iter().enumerate() {
            picture.say(format!("Envoy edge-{}: {edge}", number + 1));
        }
        Ok(stage)
    }

    /// Two Envoys before a control plane whose versions it runs itself; waits until the first one answers at both.
    pub(crate) async fn before(control: ControlPlane) -> Result<Self> {
        let proxies = vec![proxy(&control, 1).await?, proxy(&control, 2).await?];
        let stage = Self { shops: Vec::new(), control, proxies, loads: Vec::new(), users: USERS };
        let answered = until("the shop answers at every proxy", WAIT, || async {
            for (_, edge) in &stage.proxies {
                let reply = Client::new(*edge).host(HOST).get("/").await;
                if !reply.is_ok_and(|reply| reply.status == 200) {
                    return false;
                }
            }
            true
        });
        answered.await.with_context(|| stage.control.child().log_tail(20))?;
        Ok(stage)
    }

    /// With so many users instead of a thousand.
    #[must_use]
    pub(crate) fn crowd(mut self, users: usize) -> Self {
        self.users = users;
        self
    }

    /// The admin interfaces of the proxies.
    pub(crate) fn admins(&self) -> Vec<SocketAddr> {
        self.proxies.iter().map(|(envoy, _)| envoy.admin()).collect()
    }

    /// The listener of the first proxy.
    pub(crate) fn edge(&self) -> SocketAddr {
        self.proxies[0].1
    }

    /// The users, each by way of one of the proxies: two proxies never change at the same instant.
    pub(crate) fn start_load(&mut self, rate: f64) {
        self.start_load_as(rate, |load| load);
    }

    /// The same with something changed.
    pub(crate) fn start_load_as(&mut self, rate: f64, changed: impl Fn(Load) -> Load) {
        let (proxies, users) = (self.proxies.len(), self.users);
        let of =
            |number: usize| Users::Cookie { count: users / proxies, name: "shunt-id".to_owned(), prefix: format!("edge-{number}-user-") };
        let load = |(number, (_, edge)): (usize, &(Envoy, SocketAddr))| {
            changed(Load::new(*edge).host(HOST).users_as(of(number)).rate(rate / proxies as f64)).start()
        };
        self.loads = self.proxies.iter().enumerate().map(load).collect();
    }

    /// Where the load is now, for [`Stage::tally_since`].
    pub(crate) fn mark(&self) -> Vec<usize> {
        self.loads.iter().map(RunningLoad::mark).collect()
    }

    /// What became of the requests since, over both proxies.
    pub(crate) fn tally_since(&self, mark: &[usize]) -> Tally {
        Tally::of_all(self.loads.iter().zip(mark).map(|(load, mark)| load.tally_since(*mark)))
    }

    /// Lets the last requests end.
    pub(crate) async fn stop_load(&mut self) -> Tally {
        Tally::of_all(self.stop_loads().await)
    }

    /// The same, proxy by proxy.
    pub(crate) async fn stop_loads(&mut self) -> Vec<Tally> {
        let mut all = Vec::new();
        for load in self.loads.drain(..) {
            all.push(load.stop().await);
        }
        all
    }

    /// The manifest with other steps; the release stays.
    pub(crate) fn write(&self, release: &str, steps: &str) -> Result<()> {
        self.control.write(FILE, &manifest(&self.shops, release, steps))
    }

    /// The API's view of the rollout.
    pub(crate) async fn view(&self) -> Result<Value> {
        self.control.rollout(ROLLOUT).await
    }

    /// What to try while it runs.
    pub(crate) fn invitation(&self) -> String {
        let shunt = locate::shunt().map(|path| path.display().to_string()).unwrap_or_else(|_| "shunt".to_owned());
        format!(
            "\nIt keeps running; Ctrl-C ends all of it.\n\n  \
             export SHUNT_SERVER=http://{}\n  \
             alias shunt={shunt}\n  \
             curl -H 'host: {HOST}' -H 'cookie: shunt-id=alice' http://{}/\n  \
             shunt get {ROLLOUT}\n  \
             shunt release {ROLLOUT} v1 && shunt watch\n  \
             shunt explain --host {HOST} --header 'cookie: shunt-id=alice'\n  \
             shunt history {ROLLOUT}\n  \
             $EDITOR {}\n",
            self.control.api(),
            self.edge(),
            self.control.config().join(FILE).display(),
        )
    }
}

/// Waits until the rules name versions that are in place, and every proxy decides with the policy that says so.
async fn in_place(control: &ControlPlane, proxies: usize) -> Result<()> {
    let tester = json!({"host": HOST, "headers": [["cookie", "beta=1"]]});
    let told = until("every version is in place at every proxy", WAIT, || async {
        let explained = Client::new(control.api()).post_json("/v1/explain", &tester).await.and_then(|reply| reply.json::<Value>());
        let Ok(list) = control.get_json::<Value>("/v1/proxies").await else { return false };
        let (newest, empty) = (list["generation"].as_u64(), Vec::new());
        let current = list["proxies"].as_array().unwrap_or(&empty).iter().filter(|proxy| proxy["generation"].as_u64() >= newest).count();
        explained.is_ok_and(|explained| explained["version"] == "v2") && current == proxies
    });
    told.await.with_context(|| control.child().log_tail(20))
}

async fn proxy(control: &ControlPlane, number: usize) -> Result<(Envoy, SocketAddr)> {
    let listen = envoy::listen_address();
    let bootstrap = control.bootstrap(&format!("edge-{number}"), &["--listen", &listen.to_string()]).await?;
    let options = EnvoyOptions { concurrency: 1, ..EnvoyOptions::default() };
    let envoy = Envoy::start(&bootstrap, options).await.with_context(|| format!("edge-{number}"))?;
    Ok((envoy, listen))
}

fn manifest(shops: &[Shop], release: &str, steps: &str) -> String {
    let versions: String =
        shops.iter().map(|shop| format!("    - {{name: {}, endpoints: [\"{}\"]}}\n", shop.version(), shop.address())).collect();
    format!(
        r#"apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [{HOST}]}}
  versions:
{versions}  release: {release}
  key: [{{cookie: shunt-id, generate: {{maxAge: 30d}}}}]
  rules:
    - {{name: testers, match: [{{cookies: {{beta: {{exact: "1"}}}}}}], version: v2}}
    - {{name: team, match: [{{headers: {{x-team: {{prefix: "check"}}}}}}], version: v2}}
    - {{name: preview, match: [{{path: {{prefix: /preview}}, methods: [GET]}}], version: v2}}
  analysis:
    metrics: [{{name: errors, successRate: {{noWorseThanStable: {{}}}}, minSamples: 20}}]
  strategy: {{canary: {{steps: {steps}}}}}
"#
    )
}
