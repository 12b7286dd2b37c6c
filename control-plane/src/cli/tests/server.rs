//! A served API; only the process behind its channels is played.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use shunt_api::{Access, App, ControlRequest, Memory, Metrics, Peer, ProxyStatus, RolloutNow, router};
use shunt_core::State;
use shunt_core::journal::{Entry, Origin};
use shunt_core::merge::merge;
use shunt_core::observation::{Delivery, Observation};
use shunt_core::status::{HistoryEntry, RolloutStatus};
use shunt_spec::manifest::{ManifestError, parse};
use shunt_spec::{Context, Plan};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::views::{NOW, proxies};
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::paint::Paint;
use crate::cli::{Cli, execute, frame};

/// What the process sees.
pub(super) struct Server {
    pub(super) address: String,
    rollouts: watch::Sender<Arc<Vec<Arc<RolloutNow>>>>,
    stopping: watch::Sender<bool>,
    pub(super) requests: mpsc::Receiver<ControlRequest>,
    /// Event streams end when it is dropped.
    _problems: watch::Sender<Arc<Vec<ManifestError>>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// On a free port.
    pub(super) async fn start(views: Vec<RolloutStatus>) -> Self {
        Self::start_at("127.0.0.1:0", views).await
    }

    pub(super) async fn start_at(address: &str, views: Vec<RolloutStatus>) -> Self {
        let (rollouts, see_rollouts) = watch::channel(now(views));
        let (stopping, see_stopping) = watch::channel(false);
        let (problems, see_problems) = watch::channel(Arc::default());
        let (sender, requests) = mpsc::channel(4);
        let app = App {
            rollouts: see_rollouts,
            policy: watch::channel(Arc::new(merge::<&shunt_core::Desired>(41, None, []))).1,
            proxies: watch::channel::<Arc<Vec<ProxyStatus>>>(Arc::new(proxies().proxies)).1,
            problems: see_problems,
            reads: sender.clone(),
            requests: sender,
            reports: mpsc::channel(1).0,
            freeze: watch::channel(shunt_core::observation::Freeze::Off).1,
            ready: watch::channel(true).1,
            notices: watch::channel(Arc::default()).1,
            stopping: see_stopping,
            access: Access::open(),
            memory: Memory::default(),
            metrics: Metrics::default(),
        };
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut end = stopping.subscribe();
        let ended = async move {
            // Also when the test is over.
            let _ = end.wait_for(|stopping| *stopping).await;
        };
        let task = tokio::spawn(async move {
            axum::serve(listener, router(app).layer(axum::Extension(Peer::local()))).with_graceful_shutdown(ended).await
        });
        Self { address, rollouts, stopping, requests, _problems: problems, task }
    }

    /// Ends it: streams end, the port is free.
    pub(super) async fn stop(self) {
        self.stopping.send_replace(true);
        self.task.await.unwrap().unwrap();
    }

    /// Other views from now on.
    pub(super) fn show(&self, views: Vec<RolloutStatus>) {
        self.rollouts.send_replace(now(views));
    }
}

/// Runs a command line; gives what it printed and how it ended.
pub(super) async fn run(server: &str, line: &[&str]) -> (String, anyhow::Result<Exit>) {
    let screen = Screen::default();
    let result = run_on(&screen, server, line).await;
    (screen.text(), result)
}

/// As [`run`], with the screen to look at meanwhile.
pub(super) async fn run_on(screen: &Screen, server: &str, line: &[&str]) -> anyhow::Result<Exit> {
    let server = format!("http://{server}");
    let words = ["shunt", "--server", &server].into_iter().chain(line.iter().copied());
    let cli = <Cli as clap::Parser>::try_parse_from(words).unwrap();
    let mut out = screen.clone();
    let mut console = Console {
        out: &mut out,
        format: cli.output,
        paint: Paint::Plain,
        live: false,
        size: frame::Size::of_stdout,
        zone: TimeZone::UTC,
        clock: || NOW,
    };
    execute(cli.command, &cli.reach, &mut console).await
}

/// What was printed so far; clones are the same screen.
#[derive(Debug, Clone, Default)]
pub(super) struct Screen(watch::Sender<String>);

impl Screen {
    pub(super) fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Until this was printed.
    pub(super) async fn until(&self, words: &str) {
        let mut seen = self.0.subscribe();
        let shown = tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|text| text.contains(words))).await;
        assert!(shown.is_ok_and(|shown| shown.is_ok()), "{words:?} was never printed");
    }
}

impl std::io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|text| text.push_str(std::str::from_utf8(bytes).unwrap()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn now(views: Vec<RolloutStatus>) -> Arc<Vec<Arc<RolloutNow>>> {
    Arc::new(views.into_iter().map(|view| Arc::new(RolloutNow { view, plan: plan(), state: State::initial(&plan()) })).collect())
}

fn plan() -> Plan {
    let text = "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {name: checkout, namespace: shop}\nspec:\n  \
        service: {hosts: [shop.test]}\n  versions: [{name: v1, endpoints: ['127.0.0.1:9001']}]\n  release: v1\n";
    parse("shop.yaml", text).unwrap()[0].compile(&Context::default()).unwrap()
}

/// A line of the journal.
pub(super) fn entry(revision: u64, reason: &str) -> HistoryEntry {
    let live = Delivery::Live { since: NOW, proxies: 1 };
    let observation = Observation { now: NOW, policy: live.clone(), everywhere: live.clone(), routes: live, ..Observation::unknown(NOW) };
    let next = State { revision, ..State::initial(&plan()) };
    let (rollout, digest) = (plan().id, plan().digest);
    let reason = reason.to_owned();
    HistoryEntry::from(&Entry {
        rollout,
        revision,
        at: NOW,
        plan: digest,
        reason,
        command: None,
        observation,
        next,
        origin: Origin::Advance,
    })
}
