// SPDX-License-Identifier: EUPL-1.2
//! Sending spans to a collector: OTLP over HTTP with protobuf.
//!
//! Guarantees: nothing of the house ever waits for the collector; spans wait in a bounded queue, and what does not fit
//! or is not taken is lost. A collector that does not answer is named in the log at most once a minute.
//! Not guaranteed: that every span arrives.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor,
};

use crate::config::Telemetry;

/// Longest request to the collector, tries included.
const PATIENCE: Duration = Duration::from_secs(3);
/// Spans that may wait; some seconds of full work.
const QUEUE: usize = 16_384;
/// Longest wait of a span for company.
const COMPANY: Duration = Duration::from_secs(1);
/// Between two complaints in the log.
const QUIET: Duration = Duration::from_secs(60);

/// Takes finished spans, gathers them and sends them from a thread of its own.
pub fn processor(settings: &Telemetry, node: &str) -> Result<BatchSpanProcessor> {
    let endpoint = format!("{}/v1/traces", settings.otlp_endpoint.trim_end_matches('/'));
    let otlp = Otlp::builder()
        .with_http()
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .build()
        .context("telemetry.otlp_endpoint")?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(1024)
        .with_scheduled_delay(COMPANY)
        .build();
    let exporter = Patient { otlp, complaints: Complaints::default() };
    let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let resource = Resource::builder_empty()
        .with_service_name(settings.service_name.clone())
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", format!("{node}-{}", std::process::id())),
            KeyValue::new("poststelle.node", node.to_owned()),
        ])
        .build();
    processor.set_resource(&resource);
    Ok(processor)
}

/// An exporter that does not fill the log.
#[derive(Debug)]
struct Patient {
    otlp: Otlp,
    complaints: Complaints,
}

/// When the log was last told, and how many spans were lost since.
#[derive(Debug, Default)]
struct Complaints(Mutex<(Option<Instant>, usize)>);

impl Complaints {
    /// Counts lost spans; gives how many there are to complain about now, if it is time to.
    fn count(&self, lost: usize, now: Instant) -> Option<usize> {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.1 += lost;
        if state.0.is_some_and(|told| now.duration_since(told) < QUIET) {
            return None;
        }
        state.0 = Some(now);
        Some(std::mem::take(&mut state.1))
    }
}

impl SpanExporter for Patient {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.otlp.export(batch).await;
        if let Err(error) = &result
            && let Some(lost) = self.complaints.count(spans, Instant::now())
        {
            tracing::warn!(%error, lost, "the collector does not take traces; they are dropped");
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_once_a_minute_and_counts_what_is_lost_meanwhile() {
        let complaints = Complaints::default();
        let start = Instant::now();
        assert_eq!(complaints.count(3, start), Some(3));
        assert_eq!(complaints.count(5, start + QUIET / 2), None);
        assert_eq!(complaints.count(7, start + QUIET - Duration::from_millis(1)), None);
        assert_eq!(complaints.count(1, start + QUIET), Some(13));
        assert_eq!(complaints.count(1, start + QUIET), None);
    }
}
