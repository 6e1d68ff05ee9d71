// SPDX-License-Identifier: EUPL-1.2
//! Logs and traces. One place, so that the young crates for both stay behind it.

mod export;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor};
use poststelle_hub::clock::{SystemClock, SystemIds};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Config;
use traces::Traces;

/// Longest wait at the end for a collector to take the last spans.
const FLUSH: Duration = Duration::from_secs(5);

/// What must be ended in order.
#[derive(Debug)]
#[must_use = "the last spans are sent by `stop`"]
pub struct Telemetry(Option<Arc<BatchSpanProcessor>>);

impl Telemetry {
    /// Sends what is left, for at most five seconds.
    pub async fn stop(self) {
        if let Some(processor) = self.0 {
            let flush = move || processor.shutdown_with_timeout(FLUSH);
            if !matches!(tokio::task::spawn_blocking(flush).await, Ok(Ok(()))) {
                tracing::warn!("the last traces were not sent");
            }
        }
    }
}

/// Logs to standard error; `POSTSTELLE_LOG` overrides `default` (e.g. `info,poststelle_hub=debug`),
/// `POSTSTELLE_LOG_FORMAT=json` writes one JSON object a line.
pub fn start(default: &str) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(default)).with_writer(std::io::stderr);
    let _ = if json() { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

/// Logs like [`start`] and, when `config` names a collector, sends traces to it.
pub fn start_with_traces(default: &str, config: &Config) -> Result<Telemetry> {
    if config.telemetry.otlp_endpoint.is_empty() {
        start(default);
        return Ok(Telemetry(None));
    }
    let processor = Arc::new(export::processor(&config.telemetry, &config.node)?);
    let traces = Traces::new(
        Arc::clone(&processor) as Arc<dyn SpanProcessor>,
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        config.telemetry.sample_ratio,
    );
    let traces = traces.with_filter(filter_fn(|meta| meta.target() == poststelle_hub::trace::TARGET));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = if json() { log.json().boxed() } else { log.with_target(false).boxed() };
    let _ = tracing_subscriber::registry().with(traces).with(log.with_filter(filter(default))).try_init();
    Ok(Telemetry(Some(processor)))
}

fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_env("POSTSTELLE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},sqlx=warn,hyper=warn,h2=warn")))
}

fn json() -> bool {
    std::env::var("POSTSTELLE_LOG_FORMAT").is_ok_and(|f| f == "json")
}
