//! The proxy of a demo with its records, in front of a server.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::CLOSING;
use super::effects::Effects;
use super::open_connections::OpenConnections;
use crate::app::beginning;
use crate::app::proxy::RecordOutputs;
use crate::app::rule_sources::{RuleSetUpdater, Sources};
use crate::error_text;
use crate::proxy::{Authority, Proxy, Settings};
use crate::record::{Journal, WhenFull};

/// A running proxy with its server.
pub(super) struct RecordedProxy {
    pub(super) port: u16,
    /// The rules in force.
    pub(super) rules: Option<Arc<RuleSetUpdater>>,
    pub(super) effects: Effects,
    connections: Arc<OpenConnections>,
    journal: Arc<Journal>,
    stop: CancellationToken,
    running: [JoinHandle<()>; 2],
}

impl RecordedProxy {
    /// Starts the proxy in front of the server `serving`, which `stop` ends.
    pub(super) async fn begin(
        settings: Settings,
        authority: Arc<Authority>,
        reports: &RecordOutputs,
        sources: Option<Sources>,
        serving: impl Future<Output = ()> + Send + 'static,
        stop: CancellationToken,
    ) -> Result<Self, String> {
        let effects = Effects::default();
        let journal = reports.builder(&beginning::run_record(&settings, sources.as_ref()), None)?;
        let journal = journal.sink("effects", Box::new(effects.clone()), WhenFull::Block);
        let journal = Arc::new(journal.start());
        let connections = Arc::new(OpenConnections::new(journal.clone()));
        let (none, sink) = (Arc::default(), connections.clone());
        let proxy = Proxy::bind(settings, authority, none, sink).await;
        let proxy = proxy.map_err(|error| error_text::io(&error))?;
        let rules = sources.map(|sources| RuleSetUpdater::new(sources, proxy.rules()));
        let rules = rules.transpose().map_err(|error| error.to_string())?;
        Ok(Self {
            port: proxy.local_addr().port(),
            rules: rules.map(Arc::new),
            effects,
            connections,
            journal,
            running: [tokio::spawn(serving), tokio::spawn(proxy.run(stop.clone()))],
            stop,
        })
    }

    /// Stops everything and completes the records.
    pub(super) async fn end(self) -> Result<(), String> {
        // A device that refused a certificate has closed its connection before dmtap notices it.
        self.connections.all_ended(CLOSING).await;
        self.stop.cancel();
        for task in self.running {
            task.await.map_err(|error| error.to_string())?;
        }
        let closed = self.journal.close();
        closed.map(drop).map_err(|error| error.to_string())
    }
}
