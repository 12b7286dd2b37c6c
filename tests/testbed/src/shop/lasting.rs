//! Answers that last until the shop stops.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use futures::channel::mpsc;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};

use super::State;
use super::answer::Body;

type Pieces = mpsc::Sender<io::Result<Frame<Bytes>>>;

/// Server-sent events, numbered, at this interval.
pub(super) fn events(state: &Arc<State>, interval: Duration) -> Body {
    let (version, mut stop) = (state.version.clone(), state.stop.subscribe());
    written(move |mut pieces| async move {
        for number in 0_u64.. {
            let event = Bytes::from(format!("id: {number}\ndata: {version}\n\n"));
            let stopped = tokio::select! {
                sent = pieces.send(Ok(Frame::data(event))) => sent.is_err(),
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if stopped {
                return;
            }
            tokio::time::sleep(interval).await;
        }
    })
}

/// A gRPC call in which every message is sent back.
pub(super) fn talk(state: &Arc<State>, mut question: Incoming) -> Body {
    let mut stop = state.stop.subscribe();
    written(move |mut pieces| async move {
        let status = loop {
            let frame = tokio::select! {
                frame = question.frame() => frame,
                _ = stop.wait_for(|stop| *stop) => break "14",
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => {
                    if pieces.send(Ok(Frame::data(data))).await.is_err() {
                        return;
                    }
                }
                // Trailers of a request mean nothing in gRPC.
                Some(Ok(Err(_))) => {}
                Some(Err(_)) => return,
                None => break "0",
            }
        };
        let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static(status))]);
        // The caller may be gone already.
        let _ = pieces.send(Ok(Frame::trailers(trailers))).await;
    })
}

/// A body that a task writes piece by piece; it ends with the task.
fn written<F: Future<Output = ()> + Send + 'static>(writer: impl FnOnce(Pieces) -> F) -> Body {
    let (sender, pieces) = mpsc::channel(0);
    tokio::spawn(writer(sender));
    BodyExt::boxed(StreamBody::new(pieces))
}
