//! `shunt serve`: puts everything together, and runs it until it is told to stop.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use shunt_api::{Access, App, ControlRequest, Memory, Metrics, Post};
use shunt_spec::Time;
use shunt_xds::{Fleet, Publisher};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::access_store::AccessStore;
use crate::cli::ServeArgs;
use crate::hold::{EmptyState, Hold};
use crate::http::Times;
use crate::integrations::{Completion, Integrations};
use crate::keyring::Keyring;
use crate::module;
use crate::pace::Pace;
use crate::platform::{Changed, Platform, Recorder};
use crate::policy_aggregator::PolicyAggregator;
use crate::policy_publisher::PolicyPublisher;
use crate::proxies::Proxies;
use crate::reconcile::{Clock, Parts, Reconciler};
use crate::rollouts::Rollouts;
use crate::show::{Show, Shown};
use crate::standalone::{Instances, Launcher, Standalone, Xds};
use crate::tls::{Admission, ClientAuth, TlsMode, incoming};

/// Requests that may wait; more are answered "busy" by the API after its own patience.
const REQUESTS: usize = 256;

/// Reports that may wait; the API answers 503 to further ones, and nothing is lost by that.
const REPORTS: usize = 4_096;

/// Time between two passes while something is under way, and otherwise. Events make further ones.
const BUSY_TICK: Duration = Duration::from_millis(250);
const IDLE_TICK: Duration = Duration::from_secs(1);

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the control plane until SIGTERM or SIGINT. Prints one JSON line with its addresses on stdout once it listens.
///
/// Errors when it cannot start: a folder or address that cannot be used, a store that is in use or unreadable, no filter built in.
pub(crate) async fn run(args: ServeArgs) -> Result<()> {
    args.check_authority()?;
    let filter = module::load(args.filter.as_deref())?;
    let clock: Clock = system_time;
    let (store, config) = Standalone::open(&args.config, &args.data(), args.removal_delay).await?;
    let tls_mode = TlsMode::new(args.xds_listen, args.api_listen, args.tls())?;
    let (xds, api) = (listen(args.xds_listen, "xDS").await?, listen(args.api_listen, "API").await?);
    announce(xds.local_addr()?, api.local_addr()?, &tls_mode)?;

    let identity = store.identity(new_name()?).await?;
    let (publisher, fleet) = (Publisher::of_store(&identity.name), Fleet::default());
    let proxies_of = Xds::new(publisher.clone(), fleet.clone(), filter);
    let empty = if args.accept_empty_state { EmptyState::Accepted } else { EmptyState::Doubted };
    let hold = Hold::new(identity, empty);
    proxies_of.audience(hold.audience());
    let (stopping, stopped) = watch::channel(false);
    let auxiliary = store.auxiliary();
    let (access_store, access) = AccessStore::open(auxiliary.clone(), clock).await?;
    let (app, inbox, show) = wire(access, stopped.clone());
    let rollouts = Rollouts::new(store.rollouts().await?, Recorder::Standalone(store.clone()));
    let (policy, recorded) = store.policy().await?;
    let aggregator = PolicyAggregator::new(policy, recorded, rollouts.ids().into_iter().collect::<BTreeSet<_>>());
    let proxies = Proxies::new(store.expected().await?, app.memory.clone(), clock());
    let metrics = app.metrics.clone();
    let (integrations, completions) = Integrations::open(&auxiliary, fastrand::f64, metrics.clone()).await?;
    let keyring = Keyring::open(&auxiliary, clock()).await?;
    let policy_publisher = PolicyPublisher::new(aggregator, store.accepted().await?, metrics.clone(), keyring);

    let xds = incoming(xds, tls_mode.clone(), ClientAuth::Proxies, Admission::default());
    let api = incoming(api, tls_mode, ClientAuth::AnyClient, Admission::default());
    let xds = tokio::spawn(shunt_xds::serve_on(xds, publisher, fleet.clone(), clock, until(stopped.clone())));
    let api = tokio::spawn(crate::http::serve(api, shunt_api::router(app), Times::default(), until(stopped.clone())));
    let access_store = tokio::spawn(access_store.run());
    let instances = Instances::open(&store, &args.data(), Launcher::default(), clock()).await?;
    let freeze = store.freeze().await?;
    let on = Platform::Standalone(Box::new(Standalone::new(store, config, instances, proxies_of)));
    let parts = Parts { clock, on, rollouts, auxiliary, integrations, proxies, publisher: policy_publisher, show, metrics, hold, freeze };
    let mut reconciler = Reconciler::new(parts);
    let ended = work(&mut reconciler, inbox, completions, stopping).await;
    // The access store ends when the API cannot ask it any more, after all that was done is recorded.
    let servers = async { (xds.await, api.await, access_store.await) };
    if tokio::time::timeout(GRACE, servers).await.is_err() {
        tracing::warn!("connections were cut after {GRACE:?}");
    }
    reconciler.on.close();
    tracing::info!("stopped; proxies keep what they have");
    ended
}

/// What comes in.
struct Inbox {
    requests: mpsc::Receiver<ControlRequest>,
    reads: mpsc::Receiver<ControlRequest>,
    reports: mpsc::Receiver<Post>,
}

fn wire(access: Access, stopping: watch::Receiver<bool>) -> (App, Inbox, Show) {
    let ((requests, requested), (reads, read)) = (mpsc::channel(REQUESTS), mpsc::channel(REQUESTS));
    let (reports, reported) = mpsc::channel(REPORTS);
    let (show, Shown { rollouts, policy, proxies, problems, freeze, ready, notices }) = Show::new();
    let (metrics, memory) = (Metrics::default(), Memory::default());
    let app =
        App { rollouts, policy, proxies, problems, requests, reads, reports, memory, freeze, ready, notices, stopping, access, metrics };
    (app, Inbox { requests: requested, reads: read, reports: reported }, show)
}

/// Takes what comes in, one thing after the other, and lets the reconciler settle after each.
async fn work(
    reconciler: &mut Reconciler,
    mut inbox: Inbox,
    mut completions: mpsc::Receiver<Completion>,
    stopping: watch::Sender<bool>,
) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (mut posts, mut pace) = (Vec::new(), Pace::new());
    loop {
        let start = Instant::now();
        let tick = if reconciler.settle().await { BUSY_TICK } else { IDLE_TICK };
        pace.passed(start.elapsed());
        let tick = tick.min(reconciler.on.idle_for((reconciler.clock)()));
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(request) = inbox.requests.recv() => reconciler.handle(request).await,
            Some(completion) = completions.recv() => reconciler.complete(completion).await,
            changed = reconciler.on.changed(pace.due()) => if changed == Changed::Resources { reconciler.resources_changed() },
            () = reconciler.rollouts.wait() => {}
            1.. = pace.reports(&mut inbox.reports, &mut posts, REPORTS) => reconciler.take(&mut posts),
            Some(read) = inbox.reads.recv() => reconciler.handle(read).await,
            () = tokio::time::sleep(tick) => {}
        }
        // Commands come first, but reports that keep coming must not hold up readers for ever: one goes with each turn.
        if let Ok(read) = inbox.reads.try_recv() {
            reconciler.handle(read).await;
        }
    }
    tracing::info!("stopping");
    stopping.send_replace(true);
    reconciler.quiesce();
    // What was asked before the end is answered, and recorded.
    inbox.requests.close();
    while let Some(request) = inbox.requests.recv().await {
        reconciler.handle(request).await;
    }
    if tokio::time::timeout(GRACE, reconciler.finish()).await.is_err() {
        tracing::warn!("what was not recorded within {GRACE:?} is not");
    }
    Ok(())
}

async fn listen(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{what} at {address}"))
}

fn announce(xds: SocketAddr, api: SocketAddr, tls_mode: &TlsMode) -> Result<()> {
    tracing::info!(%xds, %api, tls = tls_mode.words(), "listening");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "xds": xds, "api": api }))?;
    Ok(out.flush()?)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// A name for a new store that no other has.
fn new_name() -> Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The wall clock, so that a restart knows how long something has lasted. A clock before 1970 reads as 1970.
fn system_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
