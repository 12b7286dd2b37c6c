//! One connection, with TLS or without, that knows who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use shunt_api::shares::Share;
use shunt_core::identity::{Caller, Identity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Where its other end is.
    pub(crate) address: SocketAddr,
    /// Who its other end is, as a proxy.
    pub(crate) caller: Caller,
    /// None: enough was read to know that something speaks at the other end.
    fresh: Option<Fresh>,
    /// Given back when it ends.
    _place: Option<Share>,
}

/// So many bytes must come before the deadline: the preface of HTTP/2 (RFC 9113 §3.4); a request of HTTP/1 is longer.
const PREFACE: usize = 24;

/// A connection on which nothing was said yet.
#[derive(Debug)]
struct Fresh {
    read: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Fresh {
    fn new(patience: Duration) -> Self {
        Self { read: 0, deadline: Box::pin(sleep(patience)) }
    }
}

#[derive(Debug)]
enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// In clear text: loopback only. `first`: how long the first bytes may take.
    pub(super) fn clear(stream: TcpStream, address: SocketAddr, first: Duration) -> Self {
        Self { stream: Stream::Clear(stream), address, caller: Caller::Local, fresh: Some(Fresh::new(first)), _place: None }
    }

    /// With TLS. `asked`: whether proxies were asked for certificates; where they are not, only loopback is served.
    pub(super) fn tls(stream: TlsStream<TcpStream>, address: SocketAddr, asked: Asked, first: Duration) -> Self {
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(identity);
        let caller = match (shown, asked) {
            (Some(identity), _) => Caller::Certified(identity),
            (None, Asked::Yes) => Caller::Unknown,
            (None, Asked::No) => Caller::Local,
        };
        Self { stream: Stream::Tls(Box::new(stream)), address, caller, fresh: Some(Fresh::new(first)), _place: None }
    }

    /// The same, with the place that it takes.
    pub(super) fn holding(self, place: Share) -> Self {
        Self { _place: Some(place), ..self }
    }

    /// Whether it is in clear text.
    pub(crate) fn is_clear(&self) -> bool {
        match self.stream {
            Stream::Clear(_) => true,
            Stream::Tls(_) => false,
        }
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => match Pin::new(stream).poll_read(cx, buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                other => other,
            },
        }
    }
}

/// Whether proxies are asked for certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// There are authorities to check them against.
    Yes,
    /// There are none.
    No,
}

/// Of a certificate that was verified.
fn identity(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let own = str::to_owned;
    Some(Identity::new(certificate.valid_uri_names().map(own), certificate.valid_dns_names().map(own)))
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    /// A connection that ends without TLS's farewell ends all the same: every message here says how long it is. A stopping Envoy
    /// leaves without one, and its last report counts.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.poll_stream(cx, buf);
        let Some(fresh) = &mut self.fresh else { return polled };
        fresh.read = fresh.read.saturating_add(buf.filled().len().saturating_sub(before));
        if fresh.read >= PREFACE {
            self.fresh = None;
        } else if polled.is_pending() && fresh.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Clear(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
