// SPDX-License-Identifier: EUPL-1.2
//! `search rebuild`: makes the mail findable anew from what is stored, while the nodes go on working.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use poststelle_store::{Scope, tenants};
use serde_json::json;

use crate::config::Config;
use crate::house;

#[derive(Debug, Subcommand)]
pub enum SearchCommand {
    /// Makes the search anew from the stored messages: after an update that changes it, or when hits are missing.
    Rebuild(RebuildArgs),
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    config: crate::ConfigArg,
    /// Short name of the tenant; all of them without it.
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long)]
    json: bool,
}

/// How often progress is told, messages.
const TOLD: u64 = 1000;

pub async fn run(command: SearchCommand) -> Result<ExitCode> {
    let SearchCommand::Rebuild(args) = command;
    let hub = house::hub(&Config::load(&args.config.config)?, Duration::ZERO, false).await?;
    let mut tx = hub.db().read(Scope::System).await?;
    let mut all = tenants::all(&mut tx).await?;
    tx.rollback().await?;
    if let Some(slug) = &args.tenant {
        all.retain(|t| t.slug == *slug);
        if all.is_empty() {
            bail!("Mandant {slug} gibt es hier nicht");
        }
    }
    let mut counts = serde_json::Map::new();
    for tenant in all {
        let told = |count: u64| {
            if !args.json && count.is_multiple_of(TOLD) {
                println!("{}: {count} …", tenant.slug);
            }
        };
        let count = hub.rebuild_search(tenant.id, told).await?;
        if !args.json {
            println!("{}: {count} Nachrichten", tenant.slug);
        }
        counts.insert(tenant.slug, count.into());
    }
    if args.json {
        println!("{}", json!({ "messages": counts }));
    }
    Ok(ExitCode::SUCCESS)
}
