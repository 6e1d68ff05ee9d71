// SPDX-License-Identifier: EUPL-1.2
//! Configuration: one TOML file, every field with a safe default, unknown fields refused.
//!
//! An environment variable `POSTSTELLE_<SECTION>_<FIELD>` (upper case) overrides a
//! field, so that secrets need not stand in the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use poststelle_hub::Limits;
use poststelle_hub::watch::Timers;
use serde::Deserialize;

/// The sections of the file.
pub(crate) const SECTIONS: [&str; 11] = [
    "database",
    "blobs",
    "keys",
    "web",
    "smtp",
    "mail",
    "connect",
    "inspect",
    "telemetry",
    "limits",
    "timers",
];

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of this node, unique among nodes.
    pub node: String,
    /// Domain of the house's own addresses (bounces, postmaster) and SMTP name.
    pub domain: String,
    /// Folder for everything that is not configured elsewhere.
    pub data: PathBuf,
    pub database: Database,
    pub blobs: Blobs,
    pub keys: Keys,
    pub web: Web,
    pub smtp: Smtp,
    pub mail: Mail,
    pub connect: Connect,
    pub inspect: Inspect,
    pub telemetry: Telemetry,
    pub limits: LimitSettings,
    pub timers: TimerSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `sqlite:///path/file.db` or `postgres://…`; empty = SQLite below `data`.
    pub url: String,
    /// Address used by `migrate` (owner of the tables); empty = `url`.
    pub owner_url: String,
    /// PostgreSQL role the nodes work as; gets rights from `migrate`.
    pub app_role: String,
    /// Connections of this node; 0 = 8.
    pub connections: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blobs {
    /// Folder for blobs; empty = `data/blobs`. Ignored when `s3_endpoint` is set.
    pub path: PathBuf,
    /// `http(s)://host:port` of an S3 store; empty = disk.
    pub s3_endpoint: String,
    pub s3_bucket: String,
    pub s3_region: String,
    pub s3_access_key: String,
    pub s3_secret_key: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// File with the root key; empty = `data/root.key`.
    pub root: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Address of pages and API.
    pub listen: String,
    /// Cookies only over HTTPS; off only for loopback.
    pub secure_cookies: bool,
    /// Proxies in front whose `X-Forwarded-For` is believed.
    pub proxies: Vec<std::net::IpAddr>,
    /// Requests one API token may make within a minute; more are answered with 429.
    pub api_per_minute: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Address for SMTP with STARTTLS; empty = off.
    pub listen: String,
    /// Address for SMTP over TLS; empty = off.
    pub listen_tls: String,
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
    /// Sign-in without TLS; for loopback only.
    pub auth_in_clear: bool,
    /// Most connections from one address.
    pub connections_per_peer: usize,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// `host:port` all outgoing mail goes to.
    pub relay: String,
    /// `none`, `opportunistic`, `required`, `implicit`.
    pub relay_tls: String,
    /// PEM file with the roots a relay's certificate must go back to (`required`, `implicit`).
    pub relay_roots: PathBuf,
    /// `domain = "host:port"`: own routes, in clear or by opportunistic TLS.
    pub routes: BTreeMap<String, String>,
    /// Mail without a route goes straight to the servers the DNS names (MX), by opportunistic TLS. Not together with `relay`.
    pub direct: bool,
    /// `address:port` of the name server asked for them; empty = those of the system.
    pub dns: String,
    /// Port of those servers; 0 = 25.
    pub direct_port: u16,
    /// Those servers may be at internal addresses.
    pub direct_internal: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connect {
    /// Folders hot folders may lie in; empty = anywhere.
    pub hot_folder_roots: Vec<PathBuf>,
    /// Webhooks may go to internal addresses, if their own settings say so too.
    pub internal_webhooks: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inspect {
    /// Virus scanner `clamd`: `unix:/path/of/the/socket` or `host:port`; empty = nothing is scanned, and every sheet says so.
    pub clamd: String,
    /// Folder with keys for encrypted mail: `SLUG-OF-THE-TENANT/*.pem`, each with key (PKCS#8) and certificate; empty = `data/schluessel`.
    pub keys: PathBuf,
    /// Folder with the certificates (PEM) that signatures may end at; empty = `data/vertrauen`.
    pub trust: PathBuf,
    /// Whose law decides about the written form: `DE-MV` or `DE`.
    pub jurisdiction: String,
}

impl Inspect {
    /// Where the keys lie.
    pub(crate) fn keys(&self, data: &Path) -> PathBuf {
        if self.keys.as_os_str().is_empty() { data.join("schluessel") } else { self.keys.clone() }
    }

    /// Where the trusted certificates lie.
    pub(crate) fn trust(&self, data: &Path) -> PathBuf {
        if self.trust.as_os_str().is_empty() { data.join("vertrauen") } else { self.trust.clone() }
    }
}

impl Default for Inspect {
    fn default() -> Self {
        Self {
            clamd: String::new(),
            keys: PathBuf::new(),
            trust: PathBuf::new(),
            jurisdiction: "DE-MV".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Address for `/health` and `/metrics` alone, for nodes without pages; empty = none.
    pub listen: String,
    /// `http(s)://host:port` of a collector that takes traces (OTLP over HTTP); empty = off.
    pub otlp_endpoint: String,
    /// Share of the traces that are sent, 0 to 1; every node keeps the same messages.
    pub sample_ratio: f64,
    /// Name of the service in the traces.
    pub service_name: String,
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident = $default:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_doc])* pub $field: u64),+ }
        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

settings!(
    /// Caps and times.
    LimitSettings {
        /// Memory all intakes together may hold, MiB.
        intake_mib = 128,
        /// Longest wait for a share of it, seconds.
        intake_wait_seconds = 20,
        /// Largest message, bytes.
        message_bytes = 200 * 1024 * 1024,
        /// Most tenants one SMTP transaction may address.
        tenants_per_transaction = 20,
        /// Jobs in work at once on this node.
        parallel = 96,
        /// How long a silent worker keeps a job, milliseconds.
        lease_ms = 60_000,
        /// Longest single call to a far side, seconds.
        call_seconds = 300,
        /// First pause after a failed delivery, milliseconds.
        backoff_first_ms = 30_000,
        /// Longest pause, milliseconds.
        backoff_max_ms = 3_600_000,
        /// How long a delivery is tried, seconds.
        expiry_seconds = 432_000,
        /// How often a message may be in work when a node dies before its content counts as "nicht prüfbar".
        crashes = 5,
    }
);
settings!(
    /// How often things are looked at.
    TimerSettings {
        /// Places in the log and checkpoints, milliseconds.
        sequence_ms = 1_000,
        /// Troubled components, milliseconds.
        probe_ms = 2_000,
        /// Counting, seconds.
        balance_seconds = 300,
        /// Canary through the mail channel, seconds; 0 = none.
        canary_seconds = 300,
        /// Alarm when a canary is not back within, seconds.
        canary_limit_seconds = 120,
        /// Orphan blobs, and what hot folders keep of packages long taken, seconds.
        sweep_seconds = 3_600,
        /// Only blobs older than this are swept, seconds.
        sweep_age_seconds = 86_400,
    }
);

impl Default for Config {
    fn default() -> Self {
        Self {
            node: "node-1".to_owned(),
            domain: "poststelle.example".to_owned(),
            data: PathBuf::from("data"),
            database: Database::default(),
            blobs: Blobs::default(),
            keys: Keys::default(),
            web: Web::default(),
            smtp: Smtp::default(),
            mail: Mail::default(),
            connect: Connect::default(),
            inspect: Inspect::default(),
            telemetry: Telemetry::default(),
            limits: LimitSettings::default(),
            timers: TimerSettings::default(),
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            secure_cookies: true,
            proxies: Vec::new(),
            api_per_minute: 6_000,
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            listen: String::new(),
            otlp_endpoint: String::new(),
            sample_ratio: 1.0,
            service_name: "poststelle".to_owned(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2525".to_owned(),
            listen_tls: String::new(),
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            auth_in_clear: false,
            connections_per_peer: 100,
        }
    }
}

impl Config {
    /// Reads `path`; environment variables override.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("configuration {} cannot be read; give its path with --config", path.display())
        })?;
        Self::parse(&text, std::env::vars()).with_context(|| format!("in {}", path.display()))
    }

    /// Reads a TOML text with overrides.
    pub fn parse(text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text).context("not valid TOML")?;
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix("POSTSTELLE_") else { continue };
            let rest = rest.to_ascii_lowercase();
            if ["node", "domain", "data"].contains(&rest.as_str()) {
                table.insert(rest, toml::Value::String(value));
                continue;
            }
            let Some((section, field)) = rest.split_once('_') else { continue };
            if !SECTIONS.contains(&section) {
                continue;
            }
            let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let Some(entry) = entry.as_table_mut() else { bail!("[{section}] must be a section") };
            // Only sections of numbers and flags are read as such: a secret of digits stays a text.
            let number = ["limits", "timers"].contains(&section)
                || ["connections", "direct_port"].contains(&field)
                || field.ends_with("per_peer");
            let value = match (number, value.as_str()) {
                (_, text) if field == "sample_ratio" => {
                    text.parse().map(toml::Value::Float).unwrap_or(toml::Value::String(value))
                }
                (true, text) => text.parse().map(toml::Value::Integer).unwrap_or(toml::Value::String(value)),
                (false, "true") => toml::Value::Boolean(true),
                (false, "false") => toml::Value::Boolean(false),
                (false, _) => toml::Value::String(value),
            };
            entry.insert(field.to_owned(), value);
        }
        let config: Self = toml::Value::Table(table).try_into().context("a field is wrong")?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        for (what, value) in
            [("node", &self.node), ("domain", &self.domain), ("web.listen", &self.web.listen)]
        {
            if value.trim() != value || value.is_empty() {
                bail!("{what} is empty or has blanks at its ends: {value:?}");
            }
        }
        if self.limits.parallel < 4 {
            bail!("limits.parallel must be at least 4");
        }
        if self.limits.lease_ms < 1000 {
            bail!("limits.lease_ms must be at least 1000");
        }
        if self.mail.direct && !self.mail.relay.is_empty() {
            bail!("mail.direct and mail.relay exclude each other: mail goes straight or to the relay");
        }
        if !self.mail.dns.is_empty() && self.mail.dns.parse::<std::net::SocketAddr>().is_err() {
            bail!("mail.dns is not address:port: {:?}", self.mail.dns);
        }
        if self.smtp.certificate.as_os_str().is_empty() != self.smtp.key.as_os_str().is_empty() {
            bail!("smtp.certificate and smtp.key belong together: give both or none");
        }
        if !self.smtp.listen_tls.is_empty() && self.smtp.certificate.as_os_str().is_empty() {
            bail!("smtp.listen_tls needs smtp.certificate and smtp.key");
        }
        let t = &self.telemetry;
        let scheme = ["http://", "https://"].iter().any(|s| t.otlp_endpoint.starts_with(s));
        if !t.otlp_endpoint.is_empty() && (!scheme || t.otlp_endpoint.contains('@')) {
            bail!("telemetry.otlp_endpoint must be http://host:port or https://host:port");
        }
        if !(0.0..=1.0).contains(&t.sample_ratio) {
            bail!("telemetry.sample_ratio must be between 0 and 1");
        }
        Ok(())
    }

    /// Address of the database.
    pub fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            format!("sqlite://{}", self.data.join("poststelle.db").display())
        } else {
            self.database.url.clone()
        }
    }

    /// Address of the database for migrations.
    pub fn owner_url(&self) -> String {
        if self.database.owner_url.is_empty() { self.database_url() } else { self.database.owner_url.clone() }
    }

    /// File of the root key.
    pub fn root_key(&self) -> PathBuf {
        if self.keys.root.as_os_str().is_empty() {
            self.data.join("root.key")
        } else {
            self.keys.root.clone()
        }
    }

    /// Limits of the hub.
    pub fn hub_limits(&self) -> Limits {
        let l = &self.limits;
        Limits {
            intake_kib: usize::try_from(l.intake_mib * 1024).unwrap_or(usize::MAX / 2),
            intake_wait: Duration::from_secs(l.intake_wait_seconds),
            message_bytes: l.message_bytes,
            tenants_per_transaction: usize::try_from(l.tenants_per_transaction).unwrap_or(20),
            parallel: usize::try_from(l.parallel).unwrap_or(96),
            lease: Duration::from_millis(l.lease_ms),
            call: Duration::from_secs(l.call_seconds),
            backoff_first: Duration::from_millis(l.backoff_first_ms),
            backoff_max: Duration::from_millis(l.backoff_max_ms),
            expiry: Duration::from_secs(l.expiry_seconds),
            crashes: i64::try_from(l.crashes).unwrap_or(i64::MAX),
        }
    }

    /// Timers of the hub.
    pub fn hub_timers(&self) -> Timers {
        let t = &self.timers;
        Timers {
            sequence: Duration::from_millis(t.sequence_ms),
            probe: Duration::from_millis(t.probe_ms),
            balance: Duration::from_secs(t.balance_seconds),
            canary: Duration::from_secs(t.canary_seconds),
            canary_limit: Duration::from_secs(t.canary_limit_seconds),
            sweep: Duration::from_secs(t.sweep_seconds),
            sweep_age: Duration::from_secs(t.sweep_age_seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let none = || std::iter::empty();
        let wrong = |text: &str| format!("{:#}", Config::parse(text, none()).unwrap_err());
        assert!(wrong("nodes = 'x'").contains("nodes"));
        assert!(wrong("domain = 'x '").contains("domain"));
        assert!(wrong("[smtp]\nlisten_tls = '127.0.0.1:465'").contains("smtp.certificate"));
        assert!(wrong("[web]\nlisten = 8080").contains("string"));
        assert!(wrong("[mail]\ndirect = true\nrelay = 'a:25'").contains("mail.relay"));
        assert!(wrong("[mail]\ndns = 'ns.example'").contains("mail.dns"));
        assert!(wrong("[telemetry]\notlp_endpoint = '127.0.0.1:4318'").contains("otlp_endpoint"));
        assert!(wrong("[telemetry]\nsample_ratio = 2").contains("sample_ratio"));
        assert!(Config::parse("", none()).is_ok());
        let half = [("POSTSTELLE_TELEMETRY_SAMPLE_RATIO".to_owned(), "0.5".to_owned())];
        assert_eq!(Config::parse("", half.into_iter()).unwrap().telemetry.sample_ratio, 0.5);
        let env = [("POSTSTELLE_WEB_LISTEN".to_owned(), "127.0.0.1:1".to_owned())];
        assert_eq!(Config::parse("", env.into_iter()).unwrap().web.listen, "127.0.0.1:1");
    }
}
