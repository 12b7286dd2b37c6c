//! Bodies as they come in: in a bounded time, never more bytes on their way than there is room for. Nothing works on a request, and
//! no place is taken, before its body is there.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures::StreamExt;
use tokio::time::timeout;

use crate::limits::Limits;
use crate::problem::Problem;
use crate::shares::{Share, Shares};

/// What a request's body may be like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// Who sends it.
    pub(crate) client: &'a str,
    /// Longest body, bytes.
    pub(crate) longest: usize,
    /// Of what its bytes take their share.
    pub(crate) from: &'a Shares,
}

/// The request with its whole body, and the share that the body takes until the request is answered.
pub(crate) async fn whole(request: Request, expected: Expected<'_>, limits: &Limits) -> Result<(Request, Share), Problem> {
    let Expected { client, longest, from } = expected;
    let mut share = from.take(client, 0).ok_or(Problem::Busy("bodies"))?;
    let (parts, body) = request.into_parts();
    let body = timeout(limits.arrival, collect(body, longest, &mut share)).await.map_err(|_| Problem::Slow(limits.arrival))??;
    Ok((Request::from_parts(parts, Body::from(body)), share))
}

async fn collect(body: Body, longest: usize, share: &mut Share) -> Result<Bytes, Problem> {
    let announced = axum::body::HttpBody::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > longest) {
        return Err(Problem::TooLarge(longest));
    }
    let mut whole = Vec::new();
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::Unreadable(format!("the body broke off: {error}")))?;
        if whole.len().saturating_add(piece.len()) > longest {
            return Err(Problem::TooLarge(longest));
        }
        if !share.grow(piece.len()) {
            return Err(Problem::Busy("bodies"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}
