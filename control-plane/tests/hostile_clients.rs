//! The whole control plane against clients that mean no good, over real sockets: it keeps answering those that matter, and stays small.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Long enough on the busiest machine: a client that finds no place is refused at once, and waits for nothing.
const SOON: Duration = Duration::from_secs(60);

const ROLLOUT: &str = "
apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, endpoints: [\"127.0.0.1:9\"]}
    - {name: v2, endpoints: [\"127.0.0.1:9\"]}
  release: v1
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {}}]}}
";

/// A control plane that is killed with it.
struct Server {
    process: Child,
    api: SocketAddr,
    xds: SocketAddr,
    http: Client,
}

/// Its folders, which outlive it.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("rollouts")).unwrap();
        std::fs::write(dir.path().join("rollouts/shop.yaml"), ROLLOUT).unwrap();
        std::fs::write(dir.path().join("filter.wasm"), b"\0asm\x01\0\0\0").unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn token(&self, name: &str, role: &str) -> String {
        let mut command = shunt(&["token", "create", "--name", name, "--role", role, "--data"]);
        let made = command.arg(self.path("state")).output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    async fn serve(&self) -> Server {
        let mut command = shunt(&["serve", "--xds-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--config"]);
        command.arg(self.path("rollouts")).arg("--data").arg(self.path("state")).arg("--filter").arg(self.path("filter.wasm"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let addresses: Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| addresses[name].as_str().unwrap().parse().unwrap();
        let http = Client::builder().no_proxy().timeout(SOON).build().unwrap();
        let server = Server { process, api: address("api"), xds: address("xds"), http };
        server.until("/readyz", |status, _| status == 200).await;
        server
    }
}

fn shunt(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shunt"));
    command.args(args).env_clear();
    command
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    async fn post(&self, path: &str, token: &str, body: impl Into<reqwest::Body>) -> u16 {
        let request = self.http.post(self.url(path)).bearer_auth(token).header("content-type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    }

    async fn report(&self, body: impl Into<reqwest::Body>) -> u16 {
        self.post("/v1/reports", "", body).await
    }

    /// Waits until an answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) {
        let there = async {
            loop {
                let answer = self.get(path).await;
                let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
                if wanted(status, &text) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), there).await.unwrap_or_else(|_| panic!("{path} was not as wanted"));
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.api).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Kills it, and waits until its folders are free.
    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// The most memory that it ever had, KiB.
    fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The status of an answer.
async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8(answer).unwrap().split_off(9)
}

fn report(node: &str, generation: u64) -> String {
    json!({"node": node, "vm": "a1", "sequence": 1, "generation": generation}).to_string()
}

#[tokio::test]
async fn idle_slow_and_watching_clients_hold_up_no_health_check_abort_or_report() {
    let folders = Folders::new();
    let (reader, ops) = (folders.token("reader", "read").await, folders.token("ops", "operate").await);
    let server = folders.serve().await;
    let released = server.post("/v1/rollouts/shop/checkout/release", &ops, json!({"version": "v2"}).to_string()).await;
    assert_eq!(released, 200);
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(TcpStream::connect(server.api).await.unwrap());
    }
    for _ in 0..100 {
        held.push(TcpStream::connect(server.xds).await.unwrap());
    }
    for (path, token) in [("/v1/reports", ""), ("/v1/rollouts/shop/checkout/commands", &ops), ("/v1/explain", &reader)] {
        for _ in 0..80 {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{{"
            );
            held.push(server.send(&head).await);
        }
    }
    let watch = format!("GET /v1/watch HTTP/1.1\r\nhost: localhost\r\nauthorization: bearer {reader}\r\n\r\n");
    let mut answers = Vec::new();
    for _ in 0..260 {
        let mut stream = server.send(&watch).await;
        answers.push(status(&mut stream).await);
        held.push(stream);
    }
    let watching = answers.iter().filter(|status| *status == "200").count();
    assert_eq!((watching, answers.iter().filter(|status| *status == "503").count()), (128, 132), "one token has half of them");

    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.report(report("edge-1", 1)).await, 204);
    let abort = json!({"verb": "abort"}).to_string();
    assert_eq!(server.post("/v1/rollouts/shop/checkout/commands", &ops, abort).await, 200);
    drop(held);
}

#[tokio::test]
async fn no_report_fills_the_memory() {
    let folders = Folders::new();
    let server = folders.serve().await;
    let before = server.most_memory();
    let goals = |number: usize| (0..number).map(|n| format!(r#""g{n}":"l1869f""#)).collect::<Vec<_>>().join(",");
    let service = |n: usize, goals: &str| {
        format!(r#""a/s{n}":{{"epoch":{{"epoch":1,"versions":{{}},"seen":"l","failed":"l","goals":{{{goals}}}}}}}"#)
    };
    let whole = |services: String| format!(r#"{{"node":"edge","vm":"a","sequence":1,"generation":1,"services":{{{services}}}}}"#);
    let nested = whole(service(1, &goals(20_000)));
    let wide = whole((0..14_000).map(|n| service(n, &goals(32))).collect::<Vec<_>>().join(","));
    assert!(nested.len() > 300 * 1024 && wide.len() > 7 * 1024 * 1024, "{} {}", nested.len(), wide.len());
    for _ in 0..8 {
        assert_eq!(server.report(nested.clone()).await, 400);
    }
    assert_eq!(server.report(wide.clone()).await, 400);
    // As much as is let in at all, from many made-up nodes.
    let half: Vec<String> = (0..14_000).map(|n| service(n, &goals(1))).collect();
    let mut taken = Vec::new();
    for node in 0..8 {
        let services = half[node * 1_500..(node + 1) * 1_500].join(",");
        let body = whole(services).replace("\"edge\"", &format!("\"made-up-{node}\""));
        taken.push(server.report(body).await);
    }
    assert!(taken.contains(&204) && taken.contains(&429), "{taken:?}");
    assert_eq!(server.get("/healthz").await.status(), 200);
    let grown = (server.most_memory() - before) / 1024;
    assert!(grown < 400, "{grown} MiB for reports of strangers");
}

#[tokio::test]
async fn a_generation_that_was_never_published_blinds_nothing_across_a_restart() {
    let folders = Folders::new();
    let server = folders.serve().await;
    server.until("/v1/policy", |_, text| text.contains(r#""generation":1"#)).await;
    assert_eq!(server.report(report("liar", 1 << 53)).await, 204);
    server.until("/v1/proxies", |_, text| text.contains(r#""claimed":9007199254740992"#)).await;
    server.until("/metrics", |_, text| text.contains("shunt_reports_unpublished_total 1")).await;
    let proxies: Value = server.get("/v1/proxies").await.json().await.unwrap();
    assert_eq!(proxies["proxies"][0]["expected"], false, "{proxies}");
    server.kill().await;
    let server = folders.serve().await;
    let policy: Value = server.get("/v1/policy").await.json().await.unwrap();
    assert!(policy["generation"].as_u64().unwrap() < 10, "{policy}");
}

#[tokio::test]
async fn other_users_of_the_machine_cannot_read_the_state() {
    let folders = Folders::new();
    let state = folders.path("state");
    folders.serve().await.kill().await;
    for entry in std::fs::read_dir(&state).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = folders.serve().await;
    server.until("/v1/policy", |_, text| text.contains("generation")).await;
    assert_eq!(mode(&state), 0o700);
    let modes: Vec<(PathBuf, u32)> =
        std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).map(|path| (path.clone(), mode(&path))).collect();
    assert!(modes.iter().any(|(path, _)| path.ends_with("shunt.db-wal")), "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| mode & 0o077 == 0), "{modes:?}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
