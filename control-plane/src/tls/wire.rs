//! One connection, with TLS or without, that knows who is at its other end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use shunt_core::identity::{Caller, Identity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::incoming::Place;

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    /// Where its other end is.
    pub(crate) address: SocketAddr,
    /// Who its other end is, as a proxy.
    pub(crate) caller: Caller,
    /// Given back when it ends.
    _place: Place,
}

#[derive(Debug)]
enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// In clear text: loopback only.
    pub(super) fn clear(stream: TcpStream, address: SocketAddr, place: Place) -> Self {
        Self { stream: Stream::Clear(stream), address, caller: Caller::Local, _place: place }
    }

    /// With TLS. `asked`: whether proxies were asked for certificates; where they are not, only loopback is served.
    pub(super) fn tls(stream: TlsStream<TcpStream>, address: SocketAddr, asked: Asked, place: Place) -> Self {
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).and_then(identity);
        let caller = match (shown, asked) {
            (Some(identity), _) => Caller::Certified(identity),
            (None, Asked::Yes) => Caller::Unknown,
            (None, Asked::No) => Caller::Local,
        };
        Self { stream: Stream::Tls(Box::new(stream)), address, caller, _place: place }
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

impl Connected for Wire {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Wire {
    /// A connection that ends without TLS's farewell ends all the same: every message here says how long it is. A stopping Envoy
    /// leaves without one, and its last report counts.
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => match Pin::new(stream).poll_read(cx, buf) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
                other => other,
            },
        }
    }
}

impl AsyncWrite for Wire {
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
