//! Keeps what is the API's own: tokens, audit, answers to repeated requests. Beside the reconciler, which need not wait for it.

use std::sync::Arc;

use shunt_api::access_store::AccessRequest;
use shunt_api::{Access, Limits, Refusal, Token, TokenRefused};
use tokio::sync::{mpsc, watch};

use crate::platform::{AuxiliaryStore, StoreError};
use crate::reconcile::Clock;
use crate::tokens;

/// Requests that may wait.
const REQUESTS: usize = 256;

/// The store's side of the API.
#[derive(Debug)]
pub(crate) struct AccessStore {
    store: AuxiliaryStore,
    tokens: watch::Sender<Arc<Vec<Token>>>,
    requests: mpsc::Receiver<AccessRequest>,
    clock: Clock,
}

impl AccessStore {
    /// With the tokens that are recorded, and the API's side of it.
    pub(crate) async fn open(store: AuxiliaryStore, clock: Clock) -> Result<(Self, Access), StoreError> {
        let (tokens, seen) = watch::channel(Arc::new(store.tokens().await?));
        let (sender, requests) = mpsc::channel(REQUESTS);
        if tokens.borrow().is_empty() {
            // How every first start looks, and safe: without tokens the API answers this machine only.
            tracing::info!("the API has no tokens: every process on this machine may use it; `shunt token create` changes that");
        }
        Ok((Self { store, tokens, requests, clock }, Access { tokens: seen, store: sender, now: clock, limits: Limits::default() }))
    }

    /// Does one request after the other until no more can come.
    pub(crate) async fn run(mut self) {
        while let Some(request) = self.requests.recv().await {
            self.handle(request).await;
        }
    }

    async fn handle(&mut self, request: AccessRequest) {
        match request {
            AccessRequest::Create { token, by, reply } => {
                let made = tokens::create(&self.store, token, by, (self.clock)()).await;
                // In force before its secret is out.
                let refreshed = self.refresh().await;
                drop(reply.send(made.and_then(|secret| refreshed.map(|()| secret))));
            }
            AccessRequest::Revoke { name, reply } => {
                let revoked = self.revoke(&name).await;
                drop(reply.send(revoked));
            }
            AccessRequest::Note(record) => {
                if let Err(error) = self.store.note(record).await {
                    tracing::error!("the audit is not kept: {error}");
                }
            }
            AccessRequest::Audit { wanted, reply } => drop(reply.send(self.store.audit(wanted).await.map_err(unavailable))),
            AccessRequest::Begin { key, request, reply } => {
                drop(reply.send(self.store.begin(key, request, (self.clock)()).await.map_err(unavailable)));
            }
            AccessRequest::End { key, answer, reply } => drop(reply.send(self.store.finish(key, answer).await.map_err(unavailable))),
        }
    }

    async fn revoke(&self, name: &str) -> Result<(), Refusal> {
        let known: Vec<String> = self.tokens.borrow().iter().map(|token| token.name.clone()).collect();
        if known == [name] {
            return Err(TokenRefused::Last(name.to_owned()).into());
        }
        if !self.store.drop_token(name).await.map_err(unavailable)? {
            return Err(Refusal::UnknownToken { name: name.to_owned(), known });
        }
        self.refresh().await
    }

    async fn refresh(&self) -> Result<(), Refusal> {
        let all = self.store.tokens().await.map_err(unavailable)?;
        self.tokens.send_replace(Arc::new(all));
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
