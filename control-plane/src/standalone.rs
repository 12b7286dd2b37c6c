//! The standalone platform: manifests are files, state and journal are SQLite, instances are processes, routes are ours through xDS.

mod config;
mod database;
mod files;
mod instances;
mod manifests;
mod private;
mod put;
mod release;
mod removal;
mod xds;

use std::path::Path;
use std::sync::Arc;

use shunt_spec::{Span, Time};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::platform::StoreError;
use crate::platform::{Changed, World};
pub(crate) use config::ConfigFolder;
pub(crate) use database::{AuxiliaryStore, Database, OpenError, Store};
pub(crate) use files::Files;
pub(crate) use instances::{Instances, Launcher, shim};
pub(crate) use xds::Xds;

/// Manifests, store, instances and the server of proxies, on one machine.
#[derive(Debug)]
pub(crate) struct Standalone {
    pub(crate) store: Database,
    pub(crate) config: ConfigFolder,
    pub(crate) instances: Instances,
    pub(crate) xds: Xds,
    files: watch::Receiver<Files>,
    fleet: watch::Receiver<u64>,
    bell: Arc<Notify>,
}

impl Standalone {
    /// Of these parts.
    pub(crate) fn new(store: Database, config: ConfigFolder, instances: Instances, xds: Xds) -> Self {
        let (files, fleet, bell) = (config.files(), xds.changed(), instances.bell());
        Self { store, config, instances, xds, files, fleet, bell }
    }

    /// Opens the store and the config folder. `removal_delay`: how long a manifest must be missing before its Rollout ends. Errors when
    /// one of the folders cannot be used, or what is recorded cannot be read.
    pub(crate) async fn open(config: &Path, data: &Path, removal_delay: Span) -> anyhow::Result<(Database, ConfigFolder)> {
        let files = ConfigFolder::watch(config, Database::exists(data))?;
        let database = Database::open(data)?;
        let texts = database.files().await?;
        Ok((database, ConfigFolder::new(config.to_owned(), files, texts, removal_delay)))
    }

    /// Waits until something may be otherwise than before; connections of proxies count from `proxies_from` on. May be dropped at any time.
    pub(crate) async fn changed(&mut self, proxies_from: Instant) -> Changed {
        let fleet = async {
            tokio::time::sleep_until(proxies_from).await;
            self.fleet.changed().await
        };
        tokio::select! {
            Ok(()) = self.files.changed() => Changed::Resources,
            Ok(()) = fleet => Changed::World,
            () = self.bell.notified() => Changed::World,
        }
    }

    /// Makes instances what is wanted of them.
    pub(crate) async fn apply(&mut self, world: &World<'_>, now: Time) -> Result<(), StoreError> {
        self.instances.pass(&self.store, world, now).await
    }
}
