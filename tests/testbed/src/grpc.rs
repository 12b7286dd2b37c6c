//! A gRPC client whose messages are strings (`google.protobuf.StringValue`).

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures::SinkExt;
use futures::channel::mpsc;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataKey, MetadataMap};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

pub use tonic::Code;

/// One connection to an address; clones share it.
#[derive(Debug, Clone)]
pub struct Caller {
    channel: Grpc<Channel>,
    headers: MetadataMap,
}

impl Caller {
    /// Connects as `http://<host>`, with these headers in every call.
    pub async fn connect(address: SocketAddr, host: &str, headers: &[(&'static str, &str)]) -> Result<Self> {
        let origin: Uri = format!("http://{host}").parse()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.origin(origin);
        let channel = endpoint.connect().await.with_context(|| format!("connecting to {address}"))?;
        let mut metadata = MetadataMap::new();
        for (name, value) in headers {
            metadata.append(MetadataKey::from_static(name), value.parse()?);
        }
        Ok(Self { channel: Grpc::new(channel), headers: metadata })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request
    }

    /// A call with one answer: the version of the sample shop that gave it.
    pub async fn call(&mut self, path: &'static str) -> Result<Option<String>, Status> {
        self.ready().await?;
        let request = self.request(String::new());
        let answer = self.channel.unary(request, PathAndQuery::from_static(path), ProstCodec::<String, String>::default()).await?;
        Ok(version(answer.metadata()))
    }

    /// Begins a call in which both sides send as they like.
    pub async fn talk(&mut self, path: &'static str) -> Result<Talk> {
        self.ready().await?;
        let (questions, receiver) = mpsc::channel(1);
        let request = self.request(receiver);
        let answer = self.channel.streaming(request, PathAndQuery::from_static(path), ProstCodec::<String, String>::default()).await?;
        Ok(Talk { version: version(answer.metadata()), questions, answers: answer.into_inner() })
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.channel.ready().await.map_err(|error| Status::unknown(format!("no connection: {error}")))
    }
}

fn version(metadata: &MetadataMap) -> Option<String> {
    metadata.get("x-version").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A call that goes on.
#[derive(Debug)]
pub struct Talk {
    version: Option<String>,
    questions: mpsc::Sender<String>,
    answers: Streaming<String>,
}

impl Talk {
    /// The version of the sample shop at the other end.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Sends a message and waits until it comes back.
    pub async fn echo(&mut self, text: &str) -> Result<()> {
        self.questions.send(text.to_owned()).await?;
        match self.answers.message().await {
            Ok(Some(back)) if back == text => Ok(()),
            other => bail!("sent {text:?}, got {other:?}"),
        }
    }

    /// Waits until the other side ends it: how.
    pub async fn ended(&mut self) -> Code {
        loop {
            match self.answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Code::Ok,
                Err(status) => return status.code(),
            }
        }
    }
}
