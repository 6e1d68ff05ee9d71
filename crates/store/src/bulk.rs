// SPDX-License-Identifier: EUPL-1.2
//! Many rows in one statement: what makes a gathered commit cheap.

use crate::db::{Dialect, StoreError, Tx};

/// A bound value: the portable subset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number, a time in microseconds or a flag.
    Int(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}
impl From<poststelle_model::Timestamp> for Value {
    fn from(at: poststelle_model::Timestamp) -> Self {
        Self::Int(at.0)
    }
}
macro_rules! from_id {
    ($($name:ident),+) => {$(
        impl From<poststelle_model::$name> for Value {
            fn from(id: poststelle_model::$name) -> Self {
                Self::Text(id.to_string())
            }
        }
        impl From<Option<poststelle_model::$name>> for Value {
            fn from(id: Option<poststelle_model::$name>) -> Self {
                Self::Text(id.map(|i| i.to_string()).unwrap_or_default())
            }
        }
    )+};
}
from_id!(
    TenantId,
    AdministrationId,
    PrincipalId,
    MailboxId,
    DeskId,
    MessageId,
    DeliveryId,
    ConnectorId,
    RuleId,
    BlobId,
    JobId,
    ReceiptId,
    ConversationId,
    AlarmId,
    NoteId,
    DraftId,
    DraftPartId,
    TextBlockId
);

/// `vec![a.into(), b.into()]` in fewer letters.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::bulk::Value::from($value)),*] };
}
pub(crate) use args;

/// An INSERT whose rows are given at run time. All of them are listed in [`crate::sql::INSERTS`].
#[derive(Debug)]
pub struct Insert {
    /// Table.
    pub table: &'static str,
    /// Columns in order, comma separated.
    pub columns: &'static str,
    /// `ON CONFLICT …` or empty.
    pub conflict: &'static str,
}

/// Statement sizes: powers of two, so that any number of rows takes few statements and few distinct texts exist; each
/// stays under the 32,766 variables of SQLite. 128 is left out: a gathered commit has at most 100 changes.
pub const STEPS: [usize; 8] = [256, 64, 32, 16, 8, 4, 2, 1];

/// The largest step that `left` rows fill.
pub(crate) fn step(left: usize) -> usize {
    STEPS.into_iter().find(|s| *s <= left).unwrap_or(1)
}

impl Insert {
    fn width(&self) -> usize {
        self.columns.split(',').count()
    }

    /// The statement for `rows` rows. SQLite gets bare `?`: it looks up the names of `$1` … one by one at each binding.
    #[must_use]
    pub fn sql(&self, rows: usize, dialect: Dialect) -> String {
        let width = self.width();
        let mut sql = format!("INSERT INTO {} ({}) VALUES ", self.table, self.columns);
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..width {
                if column > 0 {
                    sql.push(',');
                }
                match dialect {
                    Dialect::Sqlite => sql.push('?'),
                    Dialect::Postgres => {
                        sql.push('$');
                        sql.push_str(&(row * width + column + 1).to_string());
                    }
                }
            }
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(self.conflict);
        sql
    }

    /// Inserts all `rows`; gives how many were inserted.
    pub(crate) async fn run(&self, tx: &mut Tx, rows: Vec<Vec<Value>>) -> Result<u64, StoreError> {
        let mut inserted = 0;
        let mut left = rows.into_iter();
        while left.len() > 0 {
            let step = step(left.len());
            let mut args = Vec::with_capacity(step * self.width());
            for row in left.by_ref().take(step) {
                debug_assert_eq!(row.len(), self.width(), "{}", self.table);
                args.extend(row);
            }
            inserted += match tx.run_text(self.sql(step, tx.dialect()), args).await {
                Err(StoreError::Database(error)) => Err(StoreError::from_insert(error, self.table)),
                other => other,
            }?;
        }
        Ok(inserted)
    }
}

/// `($1,$2,…)` starting at `first` for `count` values.
pub(crate) fn list(first: usize, count: usize) -> String {
    let mut sql = String::from("(");
    for i in 0..count {
        if i > 0 {
            sql.push(',');
        }
        sql.push('$');
        sql.push_str(&(first + i).to_string());
    }
    sql.push(')');
    sql
}

/// `($first,$first+1), …`: `width` pairs.
pub(crate) fn pairs(width: usize, first: usize) -> String {
    (0..width).map(|i| list(2 * i + first, 2)).collect::<Vec<_>>().join(", ")
}

/// Values for a list of things, `N` for each, filled up with empty ones to a power of two, so that few distinct texts
/// exist: (things, values).
pub(crate) fn padded<const N: usize>(
    things: impl ExactSizeIterator<Item = [Value; N]>,
) -> (usize, Vec<Value>) {
    let width = things.len().next_power_of_two();
    let mut values: Vec<Value> = things.flatten().collect();
    values.resize(N * width, Value::from(""));
    (width, values)
}
