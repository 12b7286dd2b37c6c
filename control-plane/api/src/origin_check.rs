//! Web pages of other sites can reach a loopback address through the browser of the person who works there: they may change nothing,
//! and read nothing either. A page of another site reads answers only under its own name, which it can make lead to a loopback address
//! (DNS rebinding): in clear text only names of this machine are answered. With TLS the browser itself checks the name.

use axum::extract::Request;
use axum::http::{Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use shunt_filter_core::names::{REPORT_CLUSTER, REPORT_PATH};

use crate::peer::{Peer, Transport};
use crate::problem::Problem;

/// Refuses requests in clear text that do not name this machine. Reports may name the cluster by which filters post them.
pub(crate) async fn own_name(request: Request, next: Next) -> Response {
    let transport = request.extensions().get::<Peer>().map_or(Transport::Clear, |peer| peer.transport);
    let posts = request.uri().path() == REPORT_PATH;
    let fits = |name: &String| is_own(name) || (posts && name == REPORT_CLUSTER);
    match (transport, names(&request)) {
        (Transport::Tls, _) => next.run(request).await,
        (Transport::Clear, named) if !named.is_empty() && named.iter().all(fits) => next.run(request).await,
        (Transport::Clear, named) => Problem::ForeignHost(named.join(", ")).into_response(),
    }
}

/// The authority of the request's target (HTTP/2, or a proxy's request line), and each `host`.
fn names(request: &Request) -> Vec<String> {
    let target = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let hosts = request.headers().get_all(header::HOST).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    target.into_iter().chain(hosts).collect()
}

/// `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_own(authority: &str) -> bool {
    !authority.contains('@') && is_loopback(&format!("http://{authority}"))
}

/// Refuses changes whose `origin` is not a loopback address. Programs that are no browsers send none.
pub(crate) async fn same_machine(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = request.headers().get(header::ORIGIN).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match origin {
        Some(origin) if !reads && !is_loopback(&origin) => Problem::ForeignOrigin(origin).into_response(),
        _ => next.run(request).await,
    }
}

fn is_loopback(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    let Some(host) = uri.host() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, is_own};

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for ours in ["127.0.0.1:18080", "127.9.9.9", "localhost", "LOCALHOST:1", "[::1]:18080", "[::1]", "[::ffff:127.0.0.1]:80"] {
            assert!(is_own(ours), "{ours}");
        }
        let others = [
            "evil.test",
            "evil.test:18080",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "10.0.0.1",
            "",
            "shunt-api",
            "a@localhost",
            "0.0.0.0",
        ];
        for other in others {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn only_this_machine_counts() {
        for ours in ["http://127.0.0.1:18080", "http://localhost:3000", "http://[::1]:18080"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for other in ["https://evil.test", "http://127.0.0.1.evil.test", "null", "", "http://localhost.evil.test"] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
