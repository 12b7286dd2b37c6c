//! Connections as they come in: so many at a time, with the handshake done.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use futures::Stream;
use shunt_api::shares::Shares;
use shunt_core::identity::Caller;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Asked, Connection};
use super::files::{self, ClientAuth, Configs, TlsFiles};

/// Until something can be accepted again, for example a file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections a listener has at a time, and how long they may take to begin. Further ones are closed at once. Those that
/// proved who they are have places of their own, so that no number of others keeps a proxy out.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// Handshakes under way: at a time, and from one address.
    pub(crate) handshakes: Shares,
    /// Connections without a client certificate: at a time, and from one address.
    pub(crate) others: Shares,
    /// Connections with one: at a time, and with the same names in it.
    pub(crate) certified: Shares,
    /// How long a handshake may take.
    pub(crate) handshake: Duration,
    /// How long the first bytes of the first request may take after that.
    pub(crate) first: Duration,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            handshakes: Shares::new(1_024, 256),
            others: Shares::new(4_096, 1_024),
            certified: Shares::new(4_096, 1_024),
            handshake: Duration::from_secs(10),
            first: Duration::from_secs(10),
        }
    }
}

/// How a listener is secured.
#[derive(Debug, Clone)]
pub(crate) enum TlsMode {
    /// Clear text; loopback only.
    Open,
    /// TLS, and whether proxies are asked for certificates.
    Tls {
        /// As the files say now.
        configs: watch::Receiver<Configs>,
        /// Whether there are authorities to check theirs against.
        asked: Asked,
    },
}

impl TlsMode {
    /// As these addresses need it. Refused: anything but loopback without TLS, or without authorities to check proxies against.
    pub(crate) fn new(xds: SocketAddr, api: SocketAddr, files: Option<TlsFiles>) -> anyhow::Result<Self> {
        let listens = [(xds, "--xds-listen"), (api, "--api-listen")];
        let outside = listens.into_iter().find(|(at, _)| !at.ip().to_canonical().is_loopback());
        match (files, outside) {
            (None, None) => Ok(Self::Open),
            (None, Some((at, flag))) => bail!(
                "{flag} {at} can be reached from outside: that needs TLS. Make certificates with `shunt certs init` and start with \
                 --tls DIR, or listen on a loopback address"
            ),
            (Some(TlsFiles { client_ca: None, .. }), Some((at, flag))) => bail!(
                "{flag} {at} can be reached from outside, and proxies subscribe and report there: name the authority of their \
                 certificates with --client-ca, so that each speaks only for itself"
            ),
            (Some(files), _) => {
                let asked = if files.client_ca.is_some() { Asked::Yes } else { Asked::No };
                Ok(Self::Tls { configs: files::watch(files)?, asked })
            }
        }
    }

    /// For people.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Open => "none, loopback only",
            Self::Tls { asked: Asked::No, .. } => "yes",
            Self::Tls { asked: Asked::Yes, .. } => "yes, and proxies must show certificates",
        }
    }
}

/// All that connect, until their taker is gone.
pub(crate) fn incoming(
    listener: TcpListener,
    tls_mode: TlsMode,
    client_auth: ClientAuth,
    admission: Admission,
) -> impl Stream<Item = io::Result<Connection>> + Unpin {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(accept(listener, tls_mode, client_auth, admission, sender));
    ReceiverStream::new(receiver)
}

async fn accept(
    listener: TcpListener,
    tls_mode: TlsMode,
    client_auth: ClientAuth,
    admission: Admission,
    sender: mpsc::Sender<io::Result<Connection>>,
) {
    loop {
        let (stream, address) = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let Some(entering) = admission.handshakes.take(&address.ip().to_string(), 1) else {
            tracing::debug!(%address, "closed: too many handshakes are under way");
            continue;
        };
        // Answers are small: they should not wait for further ones.
        drop(stream.set_nodelay(true));
        let (tls_mode, admission, sender) = (tls_mode.clone(), admission.clone(), sender.clone());
        tokio::spawn(async move {
            let connection = open(stream, address, &tls_mode, client_auth, &admission).await;
            drop(entering);
            if let Some(connection) = connection {
                drop(sender.send(Ok(connection)).await);
            }
        });
    }
}

/// None: the handshake failed, and the client knows why; or there are too many like it.
async fn open(
    stream: TcpStream,
    address: SocketAddr,
    tls_mode: &TlsMode,
    client_auth: ClientAuth,
    admission: &Admission,
) -> Option<Connection> {
    let connection = match tls_mode {
        TlsMode::Open => Connection::clear(stream, address, admission.first),
        TlsMode::Tls { configs, asked } => {
            let config = configs.borrow().of(client_auth);
            let stream = match timeout(admission.handshake, TlsAcceptor::from(config).accept(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::info!(%address, %error, "a TLS handshake failed");
                    return None;
                }
                Err(_) => {
                    tracing::debug!(%address, "a TLS handshake took too long");
                    return None;
                }
            };
            Connection::tls(stream, address, *asked, admission.first)
        }
    };
    let place = match &connection.caller {
        Caller::Certified(identity) => admission.certified.take(&identity.text(), 1),
        Caller::Local | Caller::Unknown => admission.others.take(&address.ip().to_string(), 1),
    };
    if place.is_none() {
        tracing::debug!(%address, "closed: too many connections like it are open");
    }
    Some(connection.holding(place?))
}
