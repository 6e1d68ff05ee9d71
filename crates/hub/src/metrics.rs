// SPDX-License-Identifier: EUPL-1.2
//! Numbers for Prometheus that are counted as things happen. [`crate::scrape`] has those that are looked up.
//!
//! Guarantees: names and units follow the conventions of Prometheus and OpenMetrics; every label has few values,
//! known beforehand: no tenants, targets, addresses or ids. Name, kind and meaning stand in one place each, from which
//! `/metrics` and the handbook are made.

use std::time::Duration;

use poststelle_model::ChannelKind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// Makes a struct of numbers with their registration and their entries in the catalogue.
macro_rules! numbers {
    (
        $(#[$doc:meta])* $name:ident, $catalogue:ident;
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $make:expr, $kind:ident $full:literal $help:literal;)+
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $make,)+ }
            }
        }

        /// Name, kind and meaning, for the handbook.
        pub const $catalogue: &[(&str, &str, &str)] = &[$(($full, stringify!($kind), $help)),+];

        impl $name {
            /// Puts the numbers into what `/metrics` prints.
            pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
                $(
                    // A counter's suffix is part of its samples' names, not of its own.
                    let name = $full.strip_suffix("_total").unwrap_or($full);
                    registry.register(name, $help, self.$field.clone());
                )+
            }
        }
    };
}
pub(crate) use numbers;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
        pub struct $name { $($(#[$field_doc])* pub $field: std::borrow::Cow<'static, str>),+ }
    )+};
}
pub(crate) use labels;

labels! {
    /// Which channel or connector.
    ChannelLabel {
        /// Its stable word.
        channel
    }
    /// Why something was not accepted.
    RefusalLabel {
        /// Channel.
        channel,
        /// [`crate::AcceptError::word`] or [`crate::accept::Abandoned::word`].
        reason
    }
    /// Outcome of a delivery attempt.
    OutcomeLabel {
        /// Channel or connector.
        channel,
        /// `accepted`, `rejected`, `deferred`, `unclear`.
        outcome
    }
    /// Kind of a job.
    KindLabel {
        /// `process`, `deliver`, `notice`.
        kind
    }
    /// What is done with a blob.
    OperationLabel {
        /// `finish`, `read`, `delete`, `list`.
        operation
    }
    /// What an inspection found.
    DangerLabel {
        /// `clean`, `suspicious`, `infected`, `indeterminate`, `not_scanned`.
        danger
    }
    /// Why a part is held back.
    CauseLabel {
        /// `infected`, `indeterminate`.
        cause
    }
    /// One kind of request.
    RequestLabel {
        /// Method; `other` for unusual ones.
        method,
        /// Pattern of the path; `-` when none fits.
        route,
        /// `2xx`, `4xx` …
        status
    }
    /// A refusal in the SMTP dialogue.
    ReplyLabel {
        /// `mail`, `recipient`, `data`.
        step,
        /// Reply code.
        code
    }
}

/// From a synced write to a slow page, seconds.
const SHORT: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// From a quick message to one that waited for days, seconds.
const LONG: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0, 432_000.0];

fn short() -> Histogram {
    Histogram::new(SHORT)
}

/// A histogram per label.
pub(crate) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

numbers! {
    /// All numbers of a node.
    Metrics, COUNTED;
    /// Messages accepted.
    accepted: Family<ChannelLabel, Counter> = Family::default(),
        counter "poststelle_messages_accepted_total" "Angenommene Nachrichten";
    /// Octets accepted.
    accepted_bytes: Family<ChannelLabel, Counter> = Family::default(),
        counter "poststelle_messages_accepted_bytes_total" "Bytes der angenommenen Nachrichten";
    /// Intakes that came again and got the same answer.
    repeated: Family<ChannelLabel, Counter> = Family::default(),
        counter "poststelle_messages_repeated_total" "Erneut Eingeliefertes, das schon da war und dieselbe Antwort bekam";
    /// Intakes that ended without acceptance.
    refused: Family<RefusalLabel, Counter> = Family::default(),
        counter "poststelle_intakes_refused_total"
        "Begonnene Einlieferungen, aus denen keine Nachricht wurde, je Grund";
    /// Refusals before a message was begun.
    smtp_refused: Family<ReplyLabel, Counter> = Family::default(),
        counter "poststelle_smtp_refusals_total"
        "Im SMTP-Gespräch Abgewiesenes vor dem Inhalt (zum Beispiel unbekannte Empfänger), je Schritt und Antwort";
    /// Messages processed.
    processed: Counter = Counter::default(),
        counter "poststelle_messages_processed_total" "Geprüfte und verteilte Nachrichten";
    /// Inspections, repeated ones included.
    inspected: Family<DangerLabel, Counter> = Family::default(),
        counter "poststelle_inspections_total" "Prüfungen von Nachrichten, erneute mitgezählt, je Ergebnis";
    /// How long an inspection takes.
    inspecting: Histogram = short(),
        histogram "poststelle_inspection_seconds" "Dauer der Prüfung aller Bestandteile einer Nachricht";
    /// Parts held back.
    held: Family<CauseLabel, Counter> = Family::default(),
        counter "poststelle_parts_held_total" "In Quarantäne genommene Bestandteile, je Grund";
    /// From acceptance until the deliveries are planned.
    processing: Histogram = Histogram::new(LONG),
        histogram "poststelle_message_processing_seconds" "Von der Annahme einer Nachricht, bis ihre Verteilung feststeht";
    /// Delivery attempts by outcome.
    attempts: Family<OutcomeLabel, Counter> = Family::default(),
        counter "poststelle_delivery_attempts_total" "Übergabeversuche je Kanal und Ergebnis";
    /// From acceptance of the message until a delivery of it succeeded.
    handover: Histogram = Histogram::new(LONG),
        histogram "poststelle_delivery_handover_seconds"
        "Von der Annahme einer Nachricht bis zu einer gelungenen Übergabe, je Übergabe";
    /// Leases lost to another worker.
    lost_leases: Counter = Counter::default(),
        counter "poststelle_job_leases_lost_total" "An einen anderen Arbeiter verlorene Aufträge";
    /// Jobs in work on this node.
    working: Family<KindLabel, Gauge> = Family::default(),
        gauge "poststelle_node_jobs_working" "Aufträge, an denen dieser Knoten arbeitet, je Art";
    /// How long a gathered commit takes.
    commit: Histogram = short(),
        histogram "poststelle_database_commit_seconds" "Dauer eines gesammelten Abschlusses in der Datenbank";
    /// Changes in gathered commits.
    committed: Counter = Counter::default(),
        counter "poststelle_database_changes_total" "Abgeschlossene Änderungen (mehrere teilen sich einen Abschluss)";
    /// How long the blob store takes.
    blobs: Histograms<OperationLabel> = Family::new_with_constructor(short as fn() -> Histogram),
        histogram "poststelle_blob_operation_seconds"
        "Dauer eines Zugriffs auf die Ablage; finish ist das Durchschreiben auf die Platte oder zu S3";
    /// How long requests take.
    requests: Histograms<RequestLabel> = Family::new_with_constructor(short as fn() -> Histogram),
        histogram "poststelle_http_request_seconds" "Dauer von Anfragen an Seiten und Schnittstelle";
}

impl Metrics {
    /// Counts one delivery attempt.
    pub(crate) fn attempt(&self, channel: &'static str, outcome: &'static str) {
        self.attempts.get_or_create(&OutcomeLabel { channel: channel.into(), outcome: outcome.into() }).inc();
    }

    /// Counts one inspection and what it held back.
    pub(crate) fn inspection(
        &self,
        danger: &'static str,
        held: impl Iterator<Item = &'static str>,
        took: Duration,
    ) {
        self.inspected.get_or_create(&DangerLabel { danger: danger.into() }).inc();
        self.inspecting.observe(took.as_secs_f64());
        for cause in held {
            self.held.get_or_create(&CauseLabel { cause: cause.into() }).inc();
        }
    }

    /// Jobs of `kind` in work on this node.
    pub(crate) fn working(&self, kind: &str) -> Gauge {
        let known = ["process", "deliver", "notice", "check"];
        let kind = known.into_iter().find(|k| *k == kind).unwrap_or("other");
        self.working.get_or_create_owned(&KindLabel { kind: kind.into() })
    }

    /// Counts an intake that ended without acceptance.
    pub(crate) fn refuse(&self, channel: ChannelKind, reason: &'static str) {
        let label = RefusalLabel { channel: channel.as_str().into(), reason: reason.into() };
        self.refused.get_or_create(&label).inc();
    }

    /// Counts a refusal in the SMTP dialogue before any content.
    pub fn refuse_in_dialogue(&self, step: &'static str, code: u16) {
        self.smtp_refused
            .get_or_create(&ReplyLabel { step: step.into(), code: code.to_string().into() })
            .inc();
    }

    /// Notes one request and its answer. `route` is the pattern, never the path.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        // Anybody may invent methods: they must not become series.
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = known.into_iter().find(|k| *k == method).unwrap_or("other");
        let status = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let label =
            RequestLabel { method: method.into(), route: route.to_owned().into(), status: status.into() };
        self.requests.get_or_create(&label).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scrape::{NODE, SHARED};

    /// <https://prometheus.io/docs/practices/naming/>, as far as a test can tell.
    #[test]
    fn names_follow_the_conventions() {
        let mut seen = BTreeSet::new();
        for (name, kind, help) in COUNTED.iter().chain(NODE).chain(SHARED) {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("poststelle_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
            assert!(*kind != "histogram" || name.ends_with("_seconds"), "{name}");
            assert!(help.len() > 10 && !help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn nobody_can_invent_series() {
        let metrics = Metrics::default();
        for n in 0..100 {
            metrics.request(&format!("M{n}"), "/x", 599, Duration::ZERO);
        }
        let mut registry = prometheus_client::registry::Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let series = text.lines().filter(|l| l.starts_with("poststelle_http_request_seconds_count")).count();
        assert_eq!(series, 1, "{text}");
        assert!(text.contains(r#"{method="other",route="/x",status="5xx"} 100"#), "{text}");
    }
}
