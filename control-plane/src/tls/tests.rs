//! Real connections with certificates of our own authority.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use shunt_core::identity::Caller;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::authority::Pair;
use super::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
const PATIENCE: Duration = Duration::from_secs(20);

struct Rig {
    dir: TempDir,
    authority: Authority,
    address: SocketAddr,
    /// Everything else, so that connections are accepted.
    connections: tokio::sync::mpsc::Receiver<Connection>,
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn put(path: &Path, text: &str) {
    write(path, text, Access::Private).unwrap();
}

impl Rig {
    async fn start(client_auth: ClientAuth) -> Self {
        Self::start_with(client_auth, Admission::default()).await
    }

    async fn start_with(client_auth: ClientAuth, admission: Admission) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (authority, ca) = Authority::new(now()).unwrap();
        let folder = Folder::new(dir.path());
        put(&folder.ca(), &ca.certificate);
        publish(&folder, &authority, now()).unwrap();
        let rig = (dir, authority);
        serve_as(&rig.1, rig.0.path(), YEAR);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls_mode = TlsMode::new(address, address, Some(TlsFiles::of(&folder))).unwrap();
        let mut all = incoming(listener, tls_mode, client_auth, admission);
        let (sender, connections) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            while let Some(Ok(connection)) = all.next().await {
                if sender.send(connection).await.is_err() {
                    return;
                }
            }
        });
        Self { dir: rig.0, authority: rig.1, address, connections }
    }

    fn proxy(&self, node: &str) -> Pair {
        self.authority.issue(Subject::Proxy(node), now(), YEAR).unwrap()
    }

    async fn connect(&self, pair: Option<&Pair>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let ca = std::fs::read(Folder::new(self.dir.path()).ca()).unwrap();
        roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match pair {
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn lets_in(&mut self, pair: &Pair) -> bool {
        let Ok(mut stream) = self.connect(Some(pair)).await else { return false };
        let mut byte = [0; 1];
        tokio::select! {
            connection = self.connections.recv() => connection.is_some(),
            _ = stream.read(&mut byte) => false,
        }
    }

    async fn caller(&mut self) -> Caller {
        tokio::time::timeout(PATIENCE, self.connections.recv()).await.unwrap().unwrap().caller
    }
}

fn serve_as(authority: &Authority, folder: &Path, lasts: Duration) {
    let pair = authority.issue(Subject::Server(&["localhost".to_owned()]), now(), lasts).unwrap();
    let folder = Folder::new(folder);
    put(&folder.server_key(), &pair.key);
    put(&folder.server(), &pair.certificate);
}

/// In TLS 1.3 a client learns of its refusal when it reads.
async fn is_refused(connection: std::io::Result<TlsStream<TcpStream>>) -> bool {
    match connection {
        Err(_) => true,
        Ok(mut stream) => tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap().is_err(),
    }
}

#[tokio::test]
async fn a_certificate_says_which_proxy_it_is() {
    let mut rig = Rig::start(ClientAuth::Proxies).await;
    let stream = rig.connect(Some(&rig.proxy("sidecar~10.0.0.1~a/b"))).await.unwrap();
    let caller = rig.caller().await;
    caller.may_be("sidecar~10.0.0.1~a/b").unwrap();
    caller.may_be("edge-2").unwrap_err();
    drop(stream);
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_a_new_one_is_not() {
    let mut rig = Rig::start(ClientAuth::Proxies).await;
    let folder = Folder::new(rig.dir.path());
    let pairs = ["edge-1", "edge-1", "edge-2"].map(|node| {
        let pair = rig.proxy(node);
        note(&folder, node, &pair, now() + YEAR).unwrap();
        pair
    });
    for pair in &pairs {
        assert!(rig.lets_in(pair).await);
    }
    assert_eq!(revoke(&folder, &rig.authority, "edge-1", now()).unwrap(), 2, "also the one before");
    let words = revoke(&folder, &rig.authority, "edge-1", now()).unwrap_err().to_string();
    assert!(words.contains("nothing to revoke"), "{words}");
    let began = std::time::Instant::now();
    while rig.lets_in(&pairs[0]).await {
        assert!(began.elapsed() < PATIENCE, "it is let in still");
    }
    assert!(!rig.lets_in(&pairs[1]).await);
    let another = rig.proxy("edge-1");
    assert!(rig.lets_in(&pairs[2]).await && rig.lets_in(&another).await);
}

#[tokio::test]
async fn while_an_authority_is_replaced_both_count() {
    let mut rig = Rig::start(ClientAuth::Proxies).await;
    let folder = Folder::new(rig.dir.path());
    let (old, revoked) = (rig.proxy("edge-1"), rig.proxy("edge-2"));
    note(&folder, "edge-2", &revoked, now() + YEAR).unwrap();
    revoke(&folder, &rig.authority, "edge-2", now()).unwrap();
    let (next, ca) = Authority::new(now()).unwrap();
    let new = next.issue(Subject::Proxy("edge-1"), now(), YEAR).unwrap();
    let before = [folder.ca(), folder.revoked()].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::remove_file(folder.issued()).unwrap();
    publish(&folder, &next, now()).unwrap();
    let list = std::fs::read_to_string(folder.revoked()).unwrap();
    put(&folder.revoked(), &format!("{list}{}", before[1]));
    // The rig itself trusts the first in it.
    put(&folder.ca(), &format!("{}{}", before[0], ca.certificate));
    let began = std::time::Instant::now();
    while !rig.lets_in(&new).await {
        assert!(began.elapsed() < PATIENCE, "it is not let in");
    }
    assert!(rig.lets_in(&old).await, "until it has a new one");
    assert!(!rig.lets_in(&revoked).await, "what was revoked stays so");
}

#[tokio::test]
async fn xds_is_for_certified_proxies_only() {
    let rig = Rig::start(ClientAuth::Proxies).await;
    assert!(is_refused(rig.connect(None).await).await, "no certificate");
    let (other, _) = Authority::new(now()).unwrap();
    let foreign = other.issue(Subject::Proxy("edge-1"), now(), YEAR).unwrap();
    assert!(is_refused(rig.connect(Some(&foreign)).await).await, "of another authority");
    let expired = rig.authority.issue(Subject::Proxy("edge-1"), now().saturating_sub(2 * YEAR), YEAR).unwrap();
    assert!(is_refused(rig.connect(Some(&expired)).await).await, "expired");
    let server = rig.authority.issue(Subject::Server(&["edge-1".to_owned()]), now(), YEAR).unwrap();
    assert!(is_refused(rig.connect(Some(&server)).await).await, "a server's");
}

#[tokio::test]
async fn people_need_no_certificate_and_speak_for_no_proxy() {
    let mut rig = Rig::start(ClientAuth::AnyClient).await;
    let stream = rig.connect(None).await.unwrap();
    assert_eq!(rig.caller().await, Caller::Unknown);
    drop(stream);
}

#[tokio::test]
async fn new_files_are_used_without_a_restart() {
    let rig = Rig::start(ClientAuth::AnyClient).await;
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let first = shown(&rig.connect(None).await.unwrap());
    // What cannot be used changes nothing.
    put(&Folder::new(rig.dir.path()).server(), "-----BEGIN NONSENSE-----");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shown(&rig.connect(None).await.unwrap()), first);
    serve_as(&rig.authority, rig.dir.path(), YEAR);
    let renewed = async {
        while shown(&rig.connect(None).await.unwrap()) == first {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("the new certificate is shown");
}

#[tokio::test]
async fn outside_of_this_machine_only_with_tls_and_an_authority() {
    let (outside, loopback): (SocketAddr, SocketAddr) = ("0.0.0.0:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let (authority, ca) = Authority::new(now()).unwrap();
    serve_as(&authority, dir.path(), YEAR);
    let folder = Folder::new(dir.path());
    put(&folder.ca(), &ca.certificate);
    publish(&folder, &authority, now()).unwrap();
    let all = TlsFiles::of(&folder);
    let alone = TlsFiles { client_ca: None, ..all.clone() };
    assert!(matches!(TlsMode::new(loopback, "[::1]:1".parse().unwrap(), None).unwrap(), TlsMode::Open));
    for (xds, api, flag) in [(outside, loopback, "--xds-listen"), (loopback, outside, "--api-listen")] {
        let error = TlsMode::new(xds, api, None).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("needs TLS"), "{error}");
        let error = TlsMode::new(xds, api, Some(alone.clone())).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("--client-ca"), "{error}");
        TlsMode::new(xds, api, Some(all.clone())).unwrap();
    }
    TlsMode::new(loopback, loopback, Some(alone)).unwrap();
    std::fs::remove_file(folder.server_key()).unwrap();
    let error = format!("{:#}", TlsMode::new(outside, outside, Some(all)).unwrap_err());
    assert!(error.contains("server.key"), "{error}");
}

#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    write(&dir.path().join("a.key"), "x", Access::Private).unwrap();
    write(&dir.path().join("a.pem"), "x", Access::Public).unwrap();
    assert_eq!((mode(&dir.path().join("a.key")), mode(&dir.path().join("a.pem"))), (0o600, 0o644));
}

#[test]
fn folders_of_proxies_stay_inside() {
    let folder = Folder::new(Path::new("certs"));
    for (node, path) in [("edge-1", "edge-1"), ("..", "%2E%2E"), ("../x", "..%2Fx"), ("a b", "a%20b"), (".", "%2E")] {
        assert_eq!(folder.proxy(node), Path::new("certs/proxies").join(path));
    }
}

/// Reads until the connection ends, and how it does.
async fn end(mut connection: Connection) -> std::io::Result<usize> {
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, connection.read_to_end(&mut all)).await.expect("an end")
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_said_ends() {
    let admission = Admission { first: Duration::from_millis(50), ..Admission::default() };
    let mut rig = Rig::start_with(ClientAuth::AnyClient, admission).await;
    let silent = rig.connect(None).await.unwrap();
    let connection = rig.connections.recv().await.unwrap();
    assert_eq!(end(connection).await.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    drop(silent);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_gives_its_place_back() {
    let handshakes = shunt_api::shares::Shares::new(1, 1);
    let admission = Admission { handshake: Duration::from_millis(50), handshakes: handshakes.clone(), ..Admission::default() };
    let rig = Rig::start_with(ClientAuth::AnyClient, admission).await;
    let silent = TcpStream::connect(rig.address).await.unwrap();
    let freed = async {
        while rig.connect(None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.expect("a place");
    drop(silent);
}

/// Others, however many, do not keep a proxy out that shows its certificate.
#[tokio::test]
async fn proxies_have_places_of_their_own() {
    let admission = Admission { others: shunt_api::shares::Shares::new(1, 1), ..Admission::default() };
    let mut rig = Rig::start_with(ClientAuth::AnyClient, admission).await;
    let other = rig.connect(None).await.unwrap();
    let held = rig.connections.recv().await.unwrap();
    let mut refused = rig.connect(None).await.unwrap();
    assert_eq!(refused.read_to_end(&mut Vec::new()).await.unwrap_or_default(), 0, "closed");
    let pair = rig.proxy("edge-1");
    let proxy = rig.connect(Some(&pair)).await.unwrap();
    assert!(matches!(rig.connections.recv().await.unwrap().caller, Caller::Certified(_)));
    drop((other, held, proxy));
}
