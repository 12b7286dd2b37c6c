//! Open-loop load with users: requests leave at a fixed rate, whatever becomes of the earlier ones.

mod pool;
mod user;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use crate::tally::{Shot, Tally};
use pool::Pool;
pub use user::Users;

/// Longer than any answer of a healthy rig takes on a machine that is overloaded tenfold.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests beyond these are skipped and counted as such: where the machine is slower than the rate, a queue without end would only
/// measure itself.
const IN_FLIGHT: usize = 256;

/// What is sent, by whom, how fast. `Load::new(address).users(1000).rate(400.0).start()`.
#[derive(Debug, Clone)]
pub struct Load {
    target: SocketAddr,
    host: String,
    method: Method,
    /// Another method, and the share of the requests that have it.
    other: Option<(Method, f64)>,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    users: Users,
    rate: f64,
    timeout: Duration,
    in_flight: usize,
    flag: Option<String>,
    /// Running sums of the users' shares of the requests; empty: all alike, in turn.
    shares: Arc<[f64]>,
}

impl Load {
    /// 100 GETs of `/` per second by 1,000 users with a cookie `shunt-id`; the Host is `shop.test`.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            host: "shop.test".to_owned(),
            method: Method::GET,
            other: None,
            path: "/".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            users: Users::cookies(1000),
            rate: 100.0,
            timeout: PATIENCE,
            in_flight: IN_FLIGHT,
            flag: None,
            shares: Arc::default(),
        }
    }

    /// Another Host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Another method and path.
    #[must_use]
    pub fn ask(mut self, method: Method, path: &str) -> Self {
        self.method = method;
        path.clone_into(&mut self.path);
        self
    }

    /// This share of the requests, 0 to 1, has another method.
    #[must_use]
    pub fn mixed_with(mut self, method: Method, share: f64) -> Self {
        self.other = Some((method, share));
        self
    }

    /// A header of every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body of every request.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// So many users, each with its own `shunt-id=user-<number>`.
    #[must_use]
    pub fn users(self, count: usize) -> Self {
        self.users_as(Users::cookies(count))
    }

    /// Other users.
    #[must_use]
    pub fn users_as(mut self, users: Users) -> Self {
        self.users = users;
        self
    }

    /// Requests per second.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// A request without a whole reply after this long has failed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// "Version" is whether the shop saw this feature flag, `on` or `off`.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.flag = Some(name.to_owned());
        self
    }

    /// Users come at random, the one of rank r 1/r as often as the first (Zipf), instead of in turn.
    #[must_use]
    pub fn zipf(mut self) -> Self {
        let ranks = (1..=self.users.count()).map(|rank| 1.0 / rank as f64);
        self.shares = ranks
            .scan(0.0, |sum, share| {
                *sum += share;
                Some(*sum)
            })
            .collect();
        self
    }

    /// Whose the request of this number is.
    fn user(&self, number: usize) -> usize {
        match self.shares.last() {
            None => self.users.of(number),
            Some(all) => {
                let drawn = fastrand::f64() * all;
                self.shares.partition_point(|sum| *sum < drawn)
            }
        }
    }

    /// Starts; the load goes on until it is stopped or dropped. Needs a tokio runtime.
    pub fn start(self) -> RunningLoad {
        let shared = Arc::new(Shared {
            rate: AtomicU64::new(self.rate.to_bits()),
            pool: Pool::new(self.target),
            jar: self.users.jar(),
            load: self,
            begin: Instant::now(),
            stop: AtomicBool::new(false),
            flying: AtomicUsize::new(0),
            skipped: AtomicU64::new(0),
            shots: Mutex::default(),
        });
        let pacer = tokio::spawn(pace(Arc::clone(&shared)));
        RunningLoad { shared, pacer }
    }

    /// Sends exactly so many requests at the rate and waits for all replies.
    pub async fn run(self, requests: usize) -> Tally {
        let time = Duration::from_secs_f64(requests as f64 / self.rate);
        let load = self.start();
        tokio::time::sleep(time).await;
        while load.sent() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        load.stop().await
    }
}

#[derive(Debug)]
struct Shared {
    load: Load,
    /// Bits of an `f64`.
    rate: AtomicU64,
    pool: Pool,
    jar: user::Jar,
    begin: Instant,
    stop: AtomicBool,
    flying: AtomicUsize,
    skipped: AtomicU64,
    shots: Mutex<Vec<Shot>>,
}

impl Shared {
    fn shots(&self) -> std::sync::MutexGuard<'_, Vec<Shot>> {
        self.shots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A load in progress. Dropping it stops it.
#[derive(Debug)]
pub struct RunningLoad {
    shared: Arc<Shared>,
    pacer: tokio::task::JoinHandle<()>,
}

impl RunningLoad {
    /// Another rate from now on, requests per second.
    pub fn set_rate(&self, rate: f64) {
        self.shared.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// What has ended so far.
    pub fn tally(&self) -> Tally {
        self.tally_since(0)
    }

    /// Number of requests that have ended; a bookmark for [`RunningLoad::tally_since`].
    pub fn mark(&self) -> usize {
        self.shared.shots().len()
    }

    /// What has ended since the bookmark.
    pub fn tally_since(&self, mark: usize) -> Tally {
        let shots = self.shared.shots();
        Tally::of(shots.get(mark..).unwrap_or_default(), self.shared.skipped.load(Ordering::Relaxed))
    }

    /// Time since the start; [`Shot::at`] counts from there.
    pub fn elapsed(&self) -> Duration {
        self.shared.begin.elapsed()
    }

    /// Stops sending, waits for all replies, and adds up.
    pub async fn stop(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = (&mut self.pacer).await;
        // Each of them ends by its own time-out at the latest.
        while self.shared.flying.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.tally()
    }

    fn sent(&self) -> usize {
        self.mark() + self.shared.flying.load(Ordering::Acquire)
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.pacer.abort();
    }
}

/// Sends what is due, every millisecond.
async fn pace(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let (mut due, mut last, mut number) = (0.0_f64, Instant::now(), 0);
    while !shared.stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let now = Instant::now();
        due += f64::from_bits(shared.rate.load(Ordering::Relaxed)) * (now - last).as_secs_f64();
        last = now;
        while due >= 1.0 {
            due -= 1.0;
            fire(&shared, number);
            number += 1;
        }
    }
}

fn fire(shared: &Arc<Shared>, number: usize) {
    if shared.flying.fetch_add(1, Ordering::AcqRel) >= shared.load.in_flight {
        shared.flying.fetch_sub(1, Ordering::AcqRel);
        shared.skipped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let user = shared.load.user(number);
        let start = Instant::now();
        let answer = tokio::time::timeout(shared.load.timeout, exchange(&shared, user)).await;
        let mut shot = Shot { at: start - shared.begin, user, latency: start.elapsed(), ..Shot::default() };
        match answer {
            Ok(Ok(head)) => head.note(&mut shot),
            Ok(Err(error)) => shot.error = Some(error.into()),
            Err(_) => shot.error = Some("no whole reply in time".into()),
        }
        shared.shots().push(shot);
        shared.flying.fetch_sub(1, Ordering::AcqRel);
    });
}

/// What of a reply is kept.
#[derive(Debug)]
struct Head {
    status: u16,
    version: Option<Arc<str>>,
    injected: bool,
    held: bool,
    /// Why, in Envoy's words, when the reply is Envoy's own and a failure.
    error: Option<Box<str>>,
}

/// Longest reason that is kept of a failed reply, characters: Envoy's own are shorter.
const REASON_MAX: usize = 200;

impl Head {
    fn of(response: &Response<Incoming>, flag: Option<&str>) -> Self {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let version = header("x-version").map(|version| match flag {
            None => version,
            Some(flag) if header("x-flags").is_some_and(|flags| flags.contains(flag)) => "on",
            Some(_) => "off",
        });
        Self {
            status: response.status().as_u16(),
            version: version.map(Arc::from),
            injected: header("x-injected").is_some(),
            held: header("x-shunt-held").is_some(),
            error: None,
        }
    }

    /// Whether the reply's body says why it failed: the shop's own failures are known by their version.
    fn explains_itself(&self) -> bool {
        self.status >= 500 && self.version.is_none() && !self.held
    }

    fn note(self, shot: &mut Shot) {
        shot.status = self.status;
        shot.version = self.version;
        shot.injected = self.injected;
        shot.held = self.held;
        shot.error = self.error;
    }
}

/// `status 503: upstream connect error or disconnect/reset before headers. reset reason: connection timeout`
fn reason(status: u16, body: &[u8]) -> Box<str> {
    let text: String = String::from_utf8_lossy(body).chars().take(REASON_MAX).collect();
    format!("status {status}: {}", text.trim()).into()
}

async fn exchange(shared: &Shared, user: usize) -> Result<Head, String> {
    let load = &shared.load;
    let other = load.other.as_ref().filter(|(_, share)| fastrand::f64() < *share);
    let method = other.map_or(&load.method, |(method, _)| method);
    let mut request = Request::builder().method(method).uri(load.path.as_str()).header("host", load.host.as_str());
    for (name, value) in &load.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    if let Some((name, value)) = load.users.header(user, &shared.jar) {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(load.body.clone())).map_err(|error| error.to_string())?;
    let (response, lane) = shared.pool.send(request).await?;
    load.users.keep(user, response.headers(), &shared.jar);
    let mut head = Head::of(&response, load.flag.as_deref());
    let mut body = response.into_body();
    let mut explanation = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("in the body: {error}"))?;
        if let Some(data) = frame.data_ref().filter(|_| head.explains_itself() && explanation.len() < REASON_MAX) {
            explanation.extend_from_slice(data);
        }
    }
    head.error = head.explains_itself().then(|| reason(head.status, &explanation));
    shared.pool.give_back(lane);
    Ok(head)
}
