//! Web pages of other sites can reach a loopback address through the browser of whoever works there: they may change nothing.

use axum::extract::Request;
use axum::http::{Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

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
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

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
