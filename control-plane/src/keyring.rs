//! What signs generated keys: made at the first start, and anew every 30 days. The key before stays good for as long, so that no user
//! who comes within that time loses the signature; ids of older ones keep their version and no longer count in analyses.

use shunt_filter_core::signing::Signing;
use shunt_spec::{Span, Time};

use crate::platform::{AuxiliaryStore, SigningRecord, StoreError};

/// How long one key signs.
pub(crate) const ROTATION: Span = Span::seconds(30 * 24 * 3_600);

/// The keys as recorded.
#[derive(Debug)]
pub(crate) struct Keyring {
    record: SigningRecord,
}

impl Keyring {
    /// Reads the keys, or makes the first one.
    pub(crate) async fn open(store: &AuxiliaryStore, now: Time) -> Result<Self, StoreError> {
        match store.signing().await? {
            Some(record) => Ok(Self { record }),
            None => Ok(Self { record: made(store, now).await? }),
        }
    }

    /// What signs now. When a new key is due and cannot be recorded, the old one goes on signing: nothing may wait for this.
    pub(crate) async fn keys(&mut self, store: &AuxiliaryStore, now: Time) -> &Signing {
        if now >= self.record.since.after(ROTATION) {
            match made(store, now).await {
                Ok(record) => {
                    self.record = record;
                    tracing::info!("a new key signs generated ids; those of the one before are signed anew when their users come");
                }
                Err(error) => tracing::warn!("a new key for generated ids is due and cannot be recorded: {error}"),
            }
        }
        &self.record.keys
    }
}

async fn made(store: &AuxiliaryStore, now: Time) -> Result<SigningRecord, StoreError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| StoreError::Failed(error.to_string()))?;
    store.rotate_signing(random, now).await?;
    store.signing().await?.ok_or_else(|| StoreError::Failed("the key that was just recorded is not there".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standalone::Database;

    #[tokio::test]
    async fn a_key_signs_for_thirty_days_and_is_good_for_thirty_more() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let store = database.auxiliary();
        let start = Time(1_000);
        let mut keyring = Keyring::open(&store, start).await.unwrap();
        let first = keyring.keys(&store, start.after(Span(ROTATION.0 - 1))).await.clone();
        assert_eq!(first.previous, None);
        let second = keyring.keys(&store, start.after(ROTATION)).await.clone();
        assert_eq!(second.previous, Some(first.current.clone()));
        assert_ne!(second.current, first.current);
        // A restart changes nothing.
        let mut again = Keyring::open(&store, start.after(ROTATION)).await.unwrap();
        assert_eq!(*again.keys(&store, start.after(ROTATION)).await, second);
        let third = again.keys(&store, start.after(ROTATION).after(ROTATION)).await;
        assert_eq!(third.previous, Some(second.current));
    }
}
