// SPDX-License-Identifier: EUPL-1.2
//! What can go wrong in the store, and what an error says about the database or the blob store as a whole.
//!
//! Guarantees: every error has a stable code; an error of a single statement
//! (a key that is there, a value that does not fit) is never taken for an outage.

use poststelle_model::{Fault, Reason, Retry};

use crate::db::Scope;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answers with an error or not at all.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row with this key exists already.
    #[error("already there: {0}")]
    Exists(String),
    /// Somebody else changed it first.
    #[error("changed meanwhile: {0}")]
    Conflict(String),
    /// No such thing in this scope.
    #[error("not found: {0}")]
    NotFound(String),
    /// A stored value cannot be read: the database was changed by hand or by a newer version.
    #[error("unreadable {what}: {value}")]
    Corrupt {
        /// Table and column.
        what: &'static str,
        /// The value, cut.
        value: String,
    },
    /// A transaction of one tenant was used for another.
    #[error("scope violation: a transaction for {0:?} was used for another tenant")]
    Scope(Scope),
    /// The blob store answers with an error.
    #[error("blob store: {0}")]
    Blob(String),
    /// No room left for blobs.
    #[error("no space left for blobs")]
    Full,
    /// The disk of the blobs takes no writes.
    #[error("the disk of the blobs is read-only")]
    ReadOnly,
    /// Keys or encryption.
    #[error(transparent)]
    Crypto(#[from] poststelle_crypto::CryptoError),
    /// The octets of a message could not be read just now.
    #[error("unreadable: {0}")]
    Unreadable(String),
    /// Configuration.
    #[error("configuration: {0}")]
    Config(String),
    /// The database was migrated by a newer program.
    #[error("the database has schema {have}, this program knows only {known}")]
    Newer {
        /// Schema of the database.
        have: i64,
        /// Schema of this program.
        known: i64,
    },
    /// The database was not migrated yet.
    #[error("the database has schema {have}, this program needs {known}")]
    Older {
        /// Schema of the database.
        have: i64,
        /// Schema of this program.
        known: i64,
    },
}

impl StoreError {
    /// Can another try help?
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Database(_)
            | Self::Conflict(_)
            | Self::Unreadable(_)
            | Self::Blob(_)
            | Self::Full
            | Self::ReadOnly => Retry::Later,
            _ => Retry::Never,
        }
    }

    /// The reason with its stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let code = match self {
            Self::Database(e) => match Outage::of(e) {
                Some(Outage::Full) => "PST-STORE-0013",
                Some(Outage::ReadOnly) => "PST-STORE-0014",
                _ => "PST-STORE-0001",
            },
            Self::Blob(_) => "PST-STORE-0002",
            Self::Full => "PST-STORE-0003",
            Self::Conflict(_) => "PST-STORE-0004",
            Self::Exists(_) => "PST-STORE-0005",
            Self::NotFound(_) => "PST-STORE-0006",
            Self::Corrupt { .. } => "PST-STORE-0007",
            Self::Scope(_) => "PST-STORE-0008",
            Self::Crypto(_) => "PST-STORE-0009",
            Self::Config(_) => "PST-STORE-0010",
            Self::Newer { .. } => "PST-STORE-0011",
            Self::Older { .. } => "PST-STORE-0012",
            Self::ReadOnly => "PST-STORE-0015",
            Self::Unreadable(_) => "PST-STORE-0016",
        };
        let reason = Reason::new(code, Fault::Operator).with("detail", self);
        match self {
            Self::Newer { have, known } | Self::Older { have, known } => {
                reason.with("have", have).with("known", known)
            }
            _ => reason,
        }
    }

    /// Is the database itself in trouble (and not just this statement)?
    #[must_use]
    pub fn is_database_outage(&self) -> bool {
        matches!(self, Self::Database(e) if Outage::of(e).is_some())
    }

    /// Does the database not answer at all?
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)))
    }

    /// What the next one asking would hear from a database that does not answer.
    #[must_use]
    pub const fn silent() -> Self {
        Self::Database(sqlx::Error::PoolTimedOut)
    }

    /// Is the blob store itself in trouble?
    #[must_use]
    pub const fn is_blob_outage(&self) -> bool {
        matches!(self, Self::Blob(_) | Self::Full | Self::ReadOnly)
    }

    /// May the transaction have succeeded all the same? A connection, a disk or a server can end after the last octet
    /// of a commit was written.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::PoolTimedOut) => false,
            Self::Database(e) => matches!(Outage::of(e), Some(Outage::Silent | Outage::ReadOnly)),
            _ => false,
        }
    }

    pub(crate) fn from_insert(error: sqlx::Error, what: &str) -> Self {
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Exists(what.to_owned()),
            _ => Self::Database(error),
        }
    }
}

/// What an error says about the database as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// It does not answer, or not in time.
    Silent,
    /// Its disk is full.
    Full,
    /// Its disk takes no writes.
    ReadOnly,
}

impl Outage {
    fn of(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Database(e) => Self::of_code(&e.code()?),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Some(Self::Silent),
            _ => None,
        }
    }

    /// By SQLSTATE (five characters) or by SQLite's number, whose low byte is the kind.
    fn of_code(code: &str) -> Option<Self> {
        if code.len() == 5 {
            return match (code, code.get(..2)) {
                ("53100", _) => Some(Self::Full),
                ("25006", _) => Some(Self::ReadOnly),
                (_, Some("08" | "53" | "57" | "58" | "XX")) => Some(Self::Silent),
                _ => None,
            };
        }
        match sqlite_kind(code)? {
            SQLITE_FULL => Some(Self::Full),
            SQLITE_READONLY | SQLITE_IOERR => Some(Self::ReadOnly),
            SQLITE_BUSY | SQLITE_CANTOPEN | SQLITE_CORRUPT | SQLITE_NOTADB => Some(Self::Silent),
            _ => None,
        }
    }
}

/// Can this connection of SQLite not be used again?
pub(crate) fn is_stuck(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::InvalidSavePointStatement => true,
        sqlx::Error::Database(e) => sqlite_kind(&e.code().unwrap_or_default()) == Some(SQLITE_READONLY),
        _ => false,
    }
}

/// The kind of an error of SQLite: the low byte of its number.
fn sqlite_kind(code: &str) -> Option<u32> {
    Some(code.parse::<u32>().ok()? & 0xff)
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_from_a_mistake() {
        for (code, outage) in [
            ("13", Some(Outage::Full)),
            ("53100", Some(Outage::Full)),
            ("8", Some(Outage::ReadOnly)),
            ("778", Some(Outage::ReadOnly)),
            ("25006", Some(Outage::ReadOnly)),
            ("5", Some(Outage::Silent)),
            ("57P01", Some(Outage::Silent)),
            ("53300", Some(Outage::Silent)),
            // Unique keys, wrong SQL, a value that does not fit.
            ("1555", None),
            ("2067", None),
            ("1", None),
            ("23505", None),
            ("42601", None),
            ("22021", None),
            ("", None),
        ] {
            assert_eq!(Outage::of_code(code), outage, "{code}");
        }
        assert!(StoreError::silent().is_silence() && StoreError::silent().is_database_outage());
        assert!(!StoreError::Conflict(String::new()).is_database_outage());
        // Nothing was begun; the answer to something begun is lost.
        assert!(!StoreError::silent().is_doubtful());
        assert!(StoreError::Database(sqlx::Error::WorkerCrashed).is_doubtful());
    }
}
