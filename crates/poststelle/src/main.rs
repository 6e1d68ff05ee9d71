// SPDX-License-Identifier: EUPL-1.2
//! poststelle: the virtual post room of a German state, one binary.
//!
//! `demo` shows it on this machine, `serve` runs a node, the rest looks after it.

#![allow(missing_docs, reason = "a binary: its reference is `--help`")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its terminal")]

mod admin;
mod backup;
mod bench;
mod config;
mod crash;
mod demo;
mod directory;
mod fairness;
mod house;
mod init;
mod person;
mod reference;
mod search;
mod telemetry;
mod transfer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use config::Config;
use house::Role;

/// Virtuelle Poststelle: nimmt rechtsverbindliche elektronische Post an, verteilt sie und weist alles nach.
#[derive(Debug, Parser)]
#[command(name = "poststelle", version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args, Clone)]
pub struct ConfigArg {
    /// Configuration file (TOML).
    #[arg(long, short, default_value = "poststelle.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows everything on this machine: hub, outside world and sample mail on loopback.
    Demo(demo::DemoArgs),
    /// Runs a node.
    Serve {
        #[command(flatten)]
        config: ConfigArg,
        /// What the node does.
        #[arg(long, value_enum, default_value = "all")]
        role: Role,
        /// Lets the node's clock run wrong by this many seconds (tests).
        #[arg(long, default_value_t = 0, allow_negative_numbers = true, hide = true)]
        clock_skew: i64,
    },
    /// Founds an installation in a folder: configuration, root key, database, first operator.
    Init(init::InitArgs),
    /// Brings the database schema up to date and founds what a new installation needs.
    Migrate {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Checks configuration, database, blob store, keys, clock and channels.
    Doctor {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        json: bool,
    },
    /// Configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Administrations, tenants, mailboxes, desks, connectors, rules, people and services.
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// One account.
    #[command(subcommand)]
    Person(person::PersonCommand),
    /// API tokens of services.
    #[command(subcommand)]
    Token(person::TokenCommand),
    /// Messages.
    #[command(subcommand)]
    Message(MessageCommand),
    /// The search.
    #[command(subcommand)]
    Search(search::SearchCommand),
    /// Counts: listed = accepted = delivered + open + parked + failed; exit 1 when it does not add up.
    Balance {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        json: bool,
    },
    /// Checks all chains and logs; exit 1 when something does not fit.
    Verify {
        #[command(flatten)]
        config: ConfigArg,
        #[arg(long)]
        json: bool,
    },
    /// Backs up database and blobs while the nodes go on working. The root key is not in it.
    Backup {
        #[command(flatten)]
        config: ConfigArg,
        /// New folder.
        dir: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Restores a backup into an empty installation and names what may be lost.
    Restore {
        #[command(flatten)]
        config: ConfigArg,
        /// Folder of the backup.
        dir: PathBuf,
        /// A newer checkpoint (signed note) of a tenant's log: tells how many entries are missing.
        #[arg(long)]
        known_checkpoint: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Moves tenants between installations.
    #[command(subcommand)]
    Tenant(transfer::TenantCommand),
    /// Measures.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Draws one page of a PDF document from standard input; for the program's own use.
    #[command(hide = true)]
    PdfPage {
        /// Which page, from 1; 0 only counts.
        page: u32,
    },
    /// Writes the generated references of the handbook; with --check only compares.
    Docs {
        /// Folder for the references.
        #[arg(long, default_value = "docs/src/referenz")]
        dir: PathBuf,
        /// Compare only; exit 1 when they differ.
        #[arg(long)]
        check: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Reads the configuration and says what is wrong with it.
    Check {
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
enum MessageCommand {
    /// Lists the newest messages of a tenant.
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// Short name of the tenant.
        tenant: String,
        #[arg(long, default_value_t = 50)]
        limit: i64,
        #[arg(long)]
        json: bool,
    },
    /// Shows one message with its parts and deliveries.
    Show {
        #[command(flatten)]
        config: ConfigArg,
        /// Short name of the tenant.
        tenant: String,
        /// Id of the message.
        id: String,
        #[arg(long)]
        json: bool,
    },
    /// Shows what happened to a message.
    Timeline {
        #[command(flatten)]
        config: ConfigArg,
        /// Short name of the tenant.
        tenant: String,
        /// Id of the message.
        id: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// SMTP in until 250, nothing else.
    Accept(bench::BenchArgs),
    /// SMTP in, rules, hot folder: everything durable and evidenced.
    Flow(bench::BenchArgs),
    /// A long queue of one tenant, and how soon mail of another reaches its desk.
    Fairness(bench::BenchArgs),
    /// Every page and list over a large stock of mail.
    Pages(bench::pages::PagesArgs),
    /// Many people at their desks while mail comes in.
    Clerks(bench::clerks::ClerksArgs),
    /// Two workers under repeated SIGKILL: nothing lost, nothing twice.
    Crash(crash::CrashArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::PdfPage { page } = cli.command {
        return match poststelle_web::preview::pdf_page(page, std::io::stdin(), std::io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(4 << 20).build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("Fehler: {error}");
                return ExitCode::FAILURE;
            }
        };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Fehler: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve { config, role, clock_skew } => serve(&config, role, clock_skew).await,
        Command::Init(args) => init::run(args).await,
        Command::Directory(command) => directory::run(command).await,
        Command::Person(command) => person::run(command).await,
        Command::Token(command) => person::run_token(command).await,
        Command::Migrate { config } => admin::migrate(&Config::load(&config.config)?).await,
        Command::Doctor { config, json } => admin::doctor(&config.config, json).await,
        Command::Config(ConfigCommand::Check { config }) => {
            Config::load(&config.config)?;
            println!("{}: in Ordnung", config.config.display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Message(MessageCommand::List { config, tenant, limit, json }) => {
            admin::message_list(&Config::load(&config.config)?, &tenant, limit, json).await
        }
        Command::Message(MessageCommand::Show { config, tenant, id, json }) => {
            admin::message_show(&Config::load(&config.config)?, &tenant, &id, json).await
        }
        Command::Message(MessageCommand::Timeline { config, tenant, id, json }) => {
            admin::timeline(&Config::load(&config.config)?, &tenant, &id, json).await
        }
        Command::Search(command) => search::run(command).await,
        Command::Balance { config, json } => admin::balance(&Config::load(&config.config)?, json).await,
        Command::Verify { config, json } => admin::verify(&Config::load(&config.config)?, json).await,
        Command::Backup { config, dir, json } => {
            backup::backup(&Config::load(&config.config)?, &dir, json).await
        }
        Command::Restore { config, dir, known_checkpoint, json } => {
            backup::restore(&Config::load(&config.config)?, &dir, &known_checkpoint, json).await
        }
        Command::Tenant(command) => transfer::run(command).await,
        Command::Bench(BenchCommand::Accept(args)) => bench::accept(args).await,
        Command::Bench(BenchCommand::Flow(args)) => bench::flow(args).await,
        Command::Bench(BenchCommand::Fairness(args)) => fairness::run(args).await,
        Command::Bench(BenchCommand::Pages(args)) => bench::pages::run(args).await,
        Command::Bench(BenchCommand::Clerks(args)) => bench::clerks::run(args).await,
        Command::Bench(BenchCommand::Crash(args)) => crash::run(args).await,
        Command::PdfPage { .. } => Ok(ExitCode::FAILURE),
        Command::Docs { dir, check } => reference::run(&dir, check),
    }
}

async fn serve(config: &ConfigArg, role: Role, clock_skew: i64) -> Result<ExitCode> {
    let config = Config::load(&config.config)?;
    let telemetry = telemetry::start_with_traces("info", &config)?;
    let skew = Duration::from_secs(clock_skew.unsigned_abs());
    let doors = house::Doors::open(&config, role).await?;
    let hub = house::hub(&config, skew, clock_skew < 0).await?;
    let running = house::start(&config, hub, role, doors)?;
    tracing::info!(web = ?running.web, smtp = ?running.smtp, smtps = ?running.smtps, "ready");
    if let Some(web) = running.web {
        println!("poststelle: http://{web}");
    }
    if let Some(machines) = running.machines {
        println!("monitoring: http://{machines}");
    }
    if let Some(smtp) = running.smtp {
        println!("smtp: {smtp}");
    }
    wait_for_end().await?;
    tracing::info!("shutting down");
    running.stop().await;
    telemetry.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or SIGINT.
async fn wait_for_end() -> Result<()> {
    let mut term =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("signals")?;
    tokio::select! {
        _ = term.recv() => {}
        result = tokio::signal::ctrl_c() => result.context("signals")?,
    }
    Ok(())
}
