// SPDX-License-Identifier: EUPL-1.2
//! `directory`: who and what this installation serves, as a file an operator writes, checks and applies again.

mod apply;
mod file;
mod plan;
mod show;
mod there;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::ConfigArg;
use crate::config::Config;
use crate::person::Acting;

#[derive(Debug, Subcommand)]
pub enum DirectoryCommand {
    /// Makes the directory what a file says: adds and changes, deletes nothing. A file with a mistake changes nothing.
    Apply {
        #[command(flatten)]
        config: ConfigArg,
        /// Directory file (TOML).
        file: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        acting: Acting,
        #[arg(long)]
        json: bool,
    },
    /// Prints the directory as such a file.
    Show {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        json: bool,
    },
}

/// `directory …`.
pub async fn run(command: DirectoryCommand) -> Result<ExitCode> {
    match command {
        DirectoryCommand::Apply { config, file, dry_run, acting, json } => {
            apply::run(&Config::load(&config.config)?, &file, dry_run, &acting, json).await
        }
        DirectoryCommand::Show { config, json } => show::run(&Config::load(&config.config)?, json).await,
    }
}

/// Writes to standard output; a reader who went away is an error, not a panic.
fn say(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
