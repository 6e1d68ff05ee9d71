// SPDX-License-Identifier: EUPL-1.2
//! Which tables of a tenant travel, and how their rows are read in order.

use serde_json::{Map, Value as Json};

use super::TransferError;
use crate::bulk::{Insert, Value, args};
use crate::db::{Dialect, Tx, json};
use poststelle_model::TenantId;

/// A column of a table's order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    /// Text.
    Text(&'static str),
    /// Number.
    Int(&'static str),
}

/// One table of the archive.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name in the archive.
    pub name: &'static str,
    /// What is read, comma separated.
    pub columns: &'static str,
    /// Where from: everything of tenant `$1`.
    pub from: &'static str,
    /// In which order.
    pub key: &'static [Key],
    /// Written back like this; `None` = by hand.
    pub insert: Option<Insert>,
}

macro_rules! tables {
    ($($name:literal [$($key:expr),+] $columns:literal;)+) => {
        &[$(Table {
            name: $name,
            columns: $columns,
            from: concat!($name, " WHERE tenant_id = $1"),
            key: &[$($key),+],
            insert: Some(Insert { table: $name, columns: $columns, conflict: "" }),
        }),+]
    };
}

use Key::{Int, Text};

/// The tenant itself.
pub(super) const TENANT: Table = Table {
    name: "tenants",
    columns: "id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version",
    from: "tenants WHERE id = $1",
    key: &[Text("id")],
    insert: Some(Insert {
        table: "tenants",
        columns: "id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version",
        conflict: "",
    }),
};

/// Its addresses.
pub(super) const ADDRESSES: Table = Table {
    name: "addresses",
    columns: "channel, identifier, tenant_id, mailbox_id",
    from: "addresses WHERE tenant_id = $1",
    key: &[Text("channel"), Text("identifier")],
    insert: Some(Insert {
        table: "addresses",
        columns: "channel, identifier, tenant_id, mailbox_id",
        conflict: "",
    }),
};

/// What belongs to others too, or is for reading only.
pub(super) const SHARED: &[Table] = &[
    Table {
        name: "administrations",
        columns: "id, slug, name, created_at, version",
        from: "administrations WHERE id IN (SELECT administration_id FROM mandates WHERE tenant_id = $1 \
            UNION SELECT d.administration_id FROM desks d JOIN desk_tenants t ON t.desk_id = d.id WHERE t.tenant_id = $1)",
        key: &[Text("id")],
        insert: Some(Insert {
            table: "administrations",
            columns: "id, slug, name, created_at, version",
            conflict: "",
        }),
    },
    Table {
        name: "people",
        columns: "id, name, kind",
        from: "principals WHERE id IN (SELECT substr(who, 11) FROM evidence WHERE tenant_id = $1 AND who LIKE 'principal:%' \
            UNION SELECT substr(subject, 11) FROM evidence WHERE tenant_id = $1 AND subject LIKE 'principal:%' \
            UNION SELECT owner FROM desk_items WHERE tenant_id = $1 AND owner <> '' \
            UNION SELECT principal_id FROM notes WHERE tenant_id = $1 \
            UNION SELECT principal_id FROM drafts WHERE tenant_id = $1 \
            UNION SELECT changed_by FROM text_blocks WHERE tenant_id = $1 \
            UNION SELECT proposed_by FROM quarantine WHERE tenant_id = $1 AND proposed_by <> '' \
            UNION SELECT decided_by FROM quarantine WHERE tenant_id = $1 AND decided_by <> '' \
            UNION SELECT proposed_by FROM rule_releases WHERE tenant_id = $1 AND proposed_by <> '' \
            UNION SELECT principal_id FROM grants WHERE tenant_id = $1)",
        key: &[Text("id")],
        insert: None,
    },
    Table {
        name: "grants",
        columns: "g.principal_id, p.login, p.name, g.role, g.place, g.object_id",
        from: "grants g JOIN principals p ON p.id = g.principal_id WHERE g.tenant_id = $1",
        key: &[Text("g.principal_id"), Text("g.role"), Text("g.place"), Text("g.object_id")],
        insert: None,
    },
    Table {
        name: "desks",
        columns: "id, administration_id, name, kind, created_at, version",
        from: "desks WHERE id IN (SELECT desk_id FROM desk_tenants WHERE tenant_id = $1)",
        key: &[Text("id")],
        insert: Some(Insert {
            table: "desks",
            columns: "id, administration_id, name, kind, created_at, version",
            conflict: "ON CONFLICT DO NOTHING",
        }),
    },
];

/// What is the tenant's alone.
pub(super) const OWN: &[Table] = tables! {
    "mandates" [Text("administration_id"), Int("valid_from")] "tenant_id, administration_id, valid_from, valid_until";
    "mailboxes" [Text("id")] "tenant_id, id, name, active, created_at, version, four_eyes";
    "desk_tenants" [Text("desk_id")] "tenant_id, desk_id";
    "connectors" [Text("id")] "tenant_id, id, kind, name, config, wrapped_secret, active, version";
    "rules" [Text("id")] "tenant_id, id, position, name, condition, actions, active, version";
    "rule_sets" [Text("tenant_id")] "tenant_id, two_persons, draft, base, changed_by, changed_at, proposed_by, version";
    "rule_releases" [Int("version")] "tenant_id, version, rules, released_by, proposed_by, released_at";
    "messages" [Text("id")] "tenant_id, id, direction, channel, mailbox_id, foreign_id, conflicts_with, in_reply_to, conversation_id, blob_id, size, sha256, sha512, transport, accepted_at";
    "message_keys" [Text("message_id")] "tenant_id, message_id, wrapped";
    "message_mailboxes" [Text("message_id"), Text("mailbox_id")] "tenant_id, message_id, mailbox_id";
    "inspections" [Text("message_id")] "tenant_id, message_id, version, subject, sender_name, sender_address, recipients, sent_at, header_id, automatic, urgent, defects, explanation, created_at";
    "parts" [Text("message_id"), Int("n")] "tenant_id, message_id, n, parent, path, leaf, start_at, length, encoding, declared, detected, charset, raw_name, name, disposition, size, sha256, defects, blob_id, header_at";
    "sheets" [Text("message_id"), Int("version")] "tenant_id, message_id, version, sheet, sha256, created_at";
    "findings" [Text("message_id"), Text("name")] "tenant_id, message_id, name, source, version, body, at";
    "derived" [Text("blob_id")] "tenant_id, message_id, blob_id, part, size, sha256, created_at";
    "quarantine" [Text("message_id"), Int("part")] "tenant_id, message_id, part, cause, note, state, next_check, proposed_by, words, decided_by, held_at, changed_at, version";
    "deliveries" [Text("id")] "tenant_id, id, message_id, rule_id, target, state, reason, foreign_id, attempts, next_attempt, expires_at, created_at, changed_at, version";
    "receipts" [Text("id")] "tenant_id, id, message_id, delivery_id, kind, carried_by, body, created_at";
    "desk_items" [Text("delivery_id")] "tenant_id, delivery_id, desk_id, message_id, state, owner, due_at, urgent, created_at, version, changed_at, changed_by, before";
    "notes" [Text("id")] "tenant_id, id, message_id, principal_id, text, created_at";
    "drafts" [Text("id")] "tenant_id, id, principal_id, mailbox_id, kind, answers, thread, recipients, copies, subject, body, state, reason, send_at, desk_id, message_id, released_by, created_at, changed_at, version";
    "draft_parts" [Text("id")] "tenant_id, id, draft_id, name, media_type, size, created_at";
    "draft_pieces" [Text("id")] "tenant_id, id, part_id, start_at, size, sha256, wrapped";
    "text_blocks" [Text("id")] "tenant_id, id, name, text, version, changed_at, changed_by";
    "evidence" [Text("subject"), Int("n")] "tenant_id, subject, n, event, at, who, envelope, body, hash, pos";
    "checkpoints" [Int("size")] "tenant_id, size, root, frontier, note, fence, created_at";
    "jobs" [Text("id")] "id, tenant_id, lane, kind, version, subject, payload, available_at, lease_token, attempts, created_at";
    "alarms" [Text("id")] "tenant_id, id, topic, reason, raised_at, cleared_at";
};

/// Everything after the blobs, in the order of the archive.
pub(super) fn later() -> impl Iterator<Item = &'static Table> {
    SHARED.iter().chain(OWN)
}

/// The table `name`.
pub(super) fn find(name: &str) -> Option<&'static Table> {
    const EARLY: &[Table] = &[TENANT, ADDRESSES];
    EARLY.iter().chain(SHARED).chain(OWN).find(|t| t.name == name)
}

/// Rows read at once.
const PAGE: usize = 200;

impl Table {
    fn order(&self) -> String {
        let name = |key: &Key| match key {
            Text(name) | Int(name) => *name,
        };
        self.key.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    fn select(&self) -> String {
        let order = self.order();
        let after = crate::bulk::list(2, self.key.len());
        format!(
            "SELECT {} FROM {} AND ({order}) > {after} ORDER BY {order} LIMIT {PAGE}",
            self.columns, self.from
        )
    }

    /// Names of the columns, without the table's.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.split(", ").map(|c| c.rsplit('.').next().unwrap_or(c))
    }

    /// Where reading begins.
    pub(super) fn start(&self) -> Vec<Value> {
        let first = |key: &Key| match key {
            Text(_) => Value::from(""),
            Int(_) => Value::Int(i64::MIN),
        };
        self.key.iter().map(first).collect()
    }

    /// The next rows after `after`, which moves on; empty at the end.
    pub(super) async fn page(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        after: &mut Vec<Value>,
    ) -> Result<Vec<Map<String, Json>>, TransferError> {
        let mut args = args![tenant];
        args.append(&mut after.clone());
        let mut rows = Vec::new();
        for row in tx.all_text(self.select(), args).await? {
            let mut map = Map::new();
            for (i, name) in self.names().enumerate() {
                map.insert(name.to_owned(), json(&row, i)?);
            }
            rows.push(map);
        }
        if let Some(last) = rows.last() {
            let mut next = Vec::with_capacity(self.key.len());
            for key in self.key {
                next.push(match key {
                    Text(name) => Value::Text(super::text(last, name.rsplit('.').next().unwrap_or(name))?),
                    Int(name) => Value::Int(super::number(last, name)?),
                });
            }
            *after = next;
        }
        Ok(rows)
    }
}

/// All statements of this module, for the test that prepares them.
pub(crate) fn built(dialect: Dialect) -> Vec<(String, String)> {
    let mut all = vec![("TRANSFER_BLOBS".to_owned(), BLOBS.to_owned())];
    for table in [&TENANT, &ADDRESSES].into_iter().chain(later()) {
        all.push((format!("TRANSFER {}", table.name), table.select()));
        if let Some(insert) = &table.insert {
            all.push((format!("TRANSFER INTO {}", table.name), insert.sql(8, dialect)));
        }
    }
    all
}

/// Blobs of a tenant whose keys are still there, in order; a piece of a draft stands in for message and blob.
pub(super) const BLOBS: &str = "SELECT m.id, m.blob_id, m.size, m.sha256, k.wrapped FROM messages m JOIN message_keys k \
    ON k.tenant_id = m.tenant_id AND k.message_id = m.id WHERE m.tenant_id = $1 AND (m.id, m.blob_id) > ($2, $3) \
    UNION ALL SELECT d.message_id, d.blob_id, d.size, d.sha256, k.wrapped FROM derived d JOIN message_keys k \
    ON k.tenant_id = d.tenant_id AND k.message_id = d.message_id WHERE d.tenant_id = $1 AND (d.message_id, d.blob_id) > ($2, $3) \
    UNION ALL SELECT p.id, p.id, p.size, p.sha256, p.wrapped FROM draft_pieces p WHERE p.tenant_id = $1 AND (p.id, p.id) > ($2, $3) \
    ORDER BY 1, 2 LIMIT $4";
