// SPDX-License-Identifier: EUPL-1.2
//! Numbers for Prometheus. One struct, so that the catalogue in the handbook is made from it.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Channel or connector.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ChannelLabel {
    /// Its stable word.
    pub channel: String,
}

/// Outcome of a delivery attempt.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// Channel or connector.
    pub channel: String,
    /// `accepted`, `rejected`, `deferred`, `unclear`.
    pub outcome: String,
}

/// All numbers of a node.
#[derive(Debug)]
pub struct Metrics {
    /// Messages accepted.
    pub accepted: Family<ChannelLabel, Counter>,
    /// Octets accepted.
    pub accepted_bytes: Family<ChannelLabel, Counter>,
    /// Messages refused at the door, temporary refusals included.
    pub refused: Family<ChannelLabel, Counter>,
    /// Messages processed.
    pub processed: Counter,
    /// Delivery attempts by outcome.
    pub attempts: Family<OutcomeLabel, Counter>,
    /// Seconds from acceptance to planned deliveries.
    pub processing_seconds: Histogram,
    /// Seconds from acceptance to the first hand-over.
    pub handover_seconds: Histogram,
    /// Leases lost to another worker.
    pub lost_leases: Counter,
}

const SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            accepted: Family::default(),
            accepted_bytes: Family::default(),
            refused: Family::default(),
            processed: Counter::default(),
            attempts: Family::default(),
            processing_seconds: Histogram::new(SECONDS),
            handover_seconds: Histogram::new(SECONDS),
            lost_leases: Counter::default(),
        }
    }
}

/// Name and meaning of every number, for the handbook.
pub const CATALOGUE: &[(&str, &str, &str)] = &[
    ("poststelle_messages_accepted_total", "counter", "Angenommene Nachrichten je Kanal"),
    ("poststelle_bytes_accepted_total", "counter", "Angenommene Bytes je Kanal"),
    ("poststelle_messages_refused_total", "counter", "An der Tür abgewiesene Nachrichten je Kanal"),
    ("poststelle_messages_processed_total", "counter", "Verarbeitete Nachrichten"),
    ("poststelle_delivery_attempts_total", "counter", "Übergabeversuche je Kanal und Ergebnis"),
    ("poststelle_processing_seconds", "histogram", "Sekunden von der Annahme bis zur geplanten Übergabe"),
    ("poststelle_handover_seconds", "histogram", "Sekunden von der Annahme bis zur ersten Übergabe"),
    ("poststelle_leases_lost_total", "counter", "An einen anderen Arbeiter verlorene Aufträge"),
];

impl Metrics {
    /// The registry that `/metrics` prints.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("poststelle");
        let help = |name: &str| {
            CATALOGUE
                .iter()
                .find(|c| c.0.trim_end_matches("_total") == format!("poststelle_{name}"))
                .map_or("", |c| c.2)
        };
        registry.register("messages_accepted", help("messages_accepted"), self.accepted.clone());
        registry.register("bytes_accepted", help("bytes_accepted"), self.accepted_bytes.clone());
        registry.register("messages_refused", help("messages_refused"), self.refused.clone());
        registry.register("messages_processed", help("messages_processed"), self.processed.clone());
        registry.register("delivery_attempts", help("delivery_attempts"), self.attempts.clone());
        registry.register("processing_seconds", help("processing_seconds"), self.processing_seconds.clone());
        registry.register("handover_seconds", help("handover_seconds"), self.handover_seconds.clone());
        registry.register("leases_lost", help("leases_lost"), self.lost_leases.clone());
        registry
    }

    /// Counts one delivery attempt.
    pub fn attempt(&self, channel: &str, outcome: &str) {
        let label = OutcomeLabel { channel: channel.to_owned(), outcome: outcome.to_owned() };
        self.attempts.get_or_create(&label).inc();
    }
}
