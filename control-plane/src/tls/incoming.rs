//! Connections as they come in: so many at a time, with the handshake done.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

use super::files::{self, Configs, Guests, TlsFiles};
use super::wire::{Asked, Wire};

/// Connections of one listener at a time; further ones wait in the kernel.
const ALL_MAX: usize = 4_096;

/// Connections from one address at a time; further ones are closed, so that one client cannot take all.
const ONE_MAX: u32 = 1_024;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Until something can be accepted again, for example a file descriptor is free.
const PAUSE: Duration = Duration::from_millis(100);

/// How a listener is secured.
#[derive(Debug, Clone)]
pub(crate) enum Doors {
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

impl Doors {
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

/// Whatever connects, until nobody takes it any more.
pub(crate) fn incoming(listener: TcpListener, doors: Doors, guests: Guests) -> impl Stream<Item = io::Result<Wire>> + Unpin {
    let (sender, receiver) = mpsc::channel(16);
    let places = Places { all: Arc::new(Semaphore::new(ALL_MAX)), by_address: Arc::default() };
    tokio::spawn(accept(listener, doors, guests, places, sender));
    ReceiverStream::new(receiver)
}

async fn accept(listener: TcpListener, doors: Doors, guests: Guests, places: Places, sender: mpsc::Sender<io::Result<Wire>>) {
    loop {
        let Ok(free) = places.all.clone().acquire_owned().await else { return };
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
        let Some(place) = places.take(address.ip(), free) else {
            tracing::debug!(%address, "closed: it has {ONE_MAX} connections already");
            continue;
        };
        // Answers are small: they should not wait for further ones.
        drop(stream.set_nodelay(true));
        let (doors, sender) = (doors.clone(), sender.clone());
        tokio::spawn(async move {
            if let Some(wire) = open(stream, address, &doors, guests, place).await {
                drop(sender.send(Ok(wire)).await);
            }
        });
    }
}

/// None: the handshake failed; whoever it was knows why.
async fn open(stream: TcpStream, address: SocketAddr, doors: &Doors, guests: Guests, place: Place) -> Option<Wire> {
    let (configs, asked) = match doors {
        Doors::Open => return Some(Wire::clear(stream, address, place)),
        Doors::Tls { configs, asked } => (configs, *asked),
    };
    let config = configs.borrow().of(guests);
    match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => Some(Wire::tls(stream, address, asked, place)),
        Ok(Err(error)) => {
            tracing::info!(%address, %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%address, "a TLS handshake took too long");
            None
        }
    }
}

#[derive(Debug, Clone)]
struct Places {
    all: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Places {
    fn take(&self, address: IpAddr, free: OwnedSemaphorePermit) -> Option<Place> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_address.entry(address).or_default();
        if *taken >= ONE_MAX {
            return None;
        }
        *taken += 1;
        Some(Place { address, by_address: self.by_address.clone(), _free: free })
    }
}

/// One of the connections that may be open.
#[derive(Debug)]
pub(crate) struct Place {
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, u32>>>,
    _free: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = by_address.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_cannot_take_all_places_and_gives_back_what_it_had() {
        let places = Places { all: Arc::new(Semaphore::new(ALL_MAX)), by_address: Arc::default() };
        let take = |text: &str| places.take(text.parse().unwrap(), places.all.clone().try_acquire_owned().unwrap());
        let mut held: Vec<Place> = (0..ONE_MAX).map(|_| take("10.0.0.1").unwrap()).collect();
        assert!(take("10.0.0.1").is_none());
        let other = take("10.0.0.2");
        assert!(other.is_some());
        held.pop();
        assert!(take("10.0.0.1").is_some());
        drop((held, other));
        assert!(places.by_address.lock().unwrap().is_empty());
        assert_eq!(places.all.available_permits(), ALL_MAX);
    }
}
