// SPDX-License-Identifier: EUPL-1.2
//! Logs. One place, so that the young tracing crates stay behind it.

use tracing_subscriber::EnvFilter;

/// Logs to standard error; `POSTSTELLE_LOG` overrides `default` (e.g. `info,poststelle_hub=debug`),
/// `POSTSTELLE_LOG_FORMAT=json` writes one JSON object a line.
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("POSTSTELLE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},sqlx=warn,hyper=warn,h2=warn")));
    let json = std::env::var("POSTSTELLE_LOG_FORMAT").is_ok_and(|f| f == "json");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}
