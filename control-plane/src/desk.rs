//! Keeps what is the API's own: tokens, audit, answers to repeated requests. Beside the reconciler, which need not wait for it.

use std::sync::Arc;

use shunt_api::desk::Errand;
use shunt_api::{Access, Limits, Refusal, Token, TokenRefused};
use tokio::sync::{mpsc, watch};

use crate::reconcile::Clock;
use crate::standalone::{Shared, StoreError};
use crate::tokens;

/// Errands that may wait.
const ERRANDS: usize = 256;

/// The store's side of the API.
#[derive(Debug)]
pub(crate) struct Desk {
    store: Shared,
    tokens: watch::Sender<Arc<Vec<Token>>>,
    errands: mpsc::Receiver<Errand>,
    clock: Clock,
}

impl Desk {
    /// With the tokens that are recorded, and the API's side of it.
    pub(crate) async fn open(store: Shared, clock: Clock) -> Result<(Self, Access), StoreError> {
        let (tokens, seen) = watch::channel(Arc::new(store.tokens().await?));
        let (desk, errands) = mpsc::channel(ERRANDS);
        if tokens.borrow().is_empty() {
            // How every first start looks, and safe: without tokens the API answers this machine only.
            tracing::info!("the API has no tokens: every process on this machine may use it; `shunt token create` changes that");
        }
        Ok((Self { store, tokens, errands, clock }, Access { tokens: seen, desk, now: clock, limits: Limits::default() }))
    }

    /// Does one errand after the other until no more can come.
    pub(crate) async fn run(mut self) {
        while let Some(errand) = self.errands.recv().await {
            self.errand(errand).await;
        }
    }

    async fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Create { token, by, reply } => {
                let made = tokens::create(&self.store, token, by, (self.clock)()).await;
                // In force before its secret is out.
                let refreshed = self.refresh().await;
                drop(reply.send(made.and_then(|secret| refreshed.map(|()| secret))));
            }
            Errand::Revoke { name, reply } => {
                let revoked = self.revoke(&name).await;
                drop(reply.send(revoked));
            }
            Errand::Note(deed) => {
                if let Err(error) = self.store.note(deed).await {
                    tracing::error!("the audit is not kept: {error}");
                }
            }
            Errand::Audit { wanted, reply } => drop(reply.send(self.store.audit(wanted).await.map_err(unavailable))),
            Errand::Begin { key, request, reply } => {
                drop(reply.send(self.store.begin(key, request, (self.clock)()).await.map_err(unavailable)));
            }
            Errand::End { key, answer, reply } => drop(reply.send(self.store.finish(key, answer).await.map_err(unavailable))),
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
