// SPDX-License-Identifier: EUPL-1.2
//! All SQL of the house but that of [`crate::search`], where the databases differ. `{now}` and `{lock}` are the only
//! dialect text ([`crate::Tx`] fills them).
//!
//! A test prepares every statement against both databases; that takes the place
//! of compile-time checks, which know one dialect only.

use crate::bulk::{Insert, STEPS};
use crate::db::Dialect;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)+
        /// Every fixed statement with its name.
        pub const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

/// People and services a tenant's administrator sees at `$2`: who works in an Administration with the mandate for `$1`,
/// and who has a role there.
macro_rules! seen_from {
    () => {
        "p.login NOT LIKE '~%' AND (EXISTS (SELECT 1 FROM mandates m WHERE m.tenant_id = $1 AND m.administration_id = p.administration_id \
         AND m.valid_from <= $2 AND m.valid_until > $2) OR EXISTS (SELECT 1 FROM grants x WHERE x.tenant_id = $1 AND x.principal_id = p.id))"
    };
}

macro_rules! known {
    ($header_id:literal) => {
        concat!(
            "(SELECT message_id FROM inspections WHERE tenant_id = $1 AND header_id = ",
            $header_id,
            " AND header_id <> '' LIMIT 1)"
        )
    };
}

/// PostgreSQL only: the scope row-level security looks at.
pub(crate) const SET_SCOPE: &str = "SELECT set_config('app.tenant', $1, true)";

/// What row-level security guards: every table with a `tenant_id`, and [`TENANTS`] by its id.
pub const TENANT_TABLES: &[&str] = &[
    "mandates",
    "grants",
    "tokens",
    "mailboxes",
    "addresses",
    "desk_tenants",
    "connectors",
    "rules",
    "rule_sets",
    "rule_releases",
    "messages",
    "message_keys",
    "message_mailboxes",
    "inspections",
    "parts",
    "deliveries",
    "receipts",
    "desk_items",
    "notes",
    "sheets",
    "findings",
    "derived",
    "quarantine",
    "drafts",
    "draft_parts",
    "draft_pieces",
    "text_blocks",
    "evidence",
    "checkpoints",
    "jobs",
    "alarms",
    "search",
];

/// The tenants themselves.
pub const TENANTS: &str = "tenants";

statements! {
    SETTING_GET = "SELECT value FROM settings WHERE name = $1";
    SETTING_PUT = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

    TENANT_INSERT = "INSERT INTO tenants (id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)";
    TENANT_BY_ID = "SELECT id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version FROM tenants WHERE id = $1";
    TENANT_ALL = "SELECT id, slug, name, log_origin, wrapped_key, wrapped_note_key, note_vkey, clearing_desk, created_at, version FROM tenants ORDER BY name, id";
    /// Those a principal has a role in.
    TENANT_CLEARING = "UPDATE tenants SET clearing_desk = $1, version = version + 1 WHERE id = $2";
    TENANT_RENAME = "UPDATE tenants SET name = $1, version = version + 1 WHERE id = $2";

    ADMINISTRATION_INSERT = "INSERT INTO administrations (id, slug, name, created_at, version) VALUES ($1, $2, $3, $4, 1)";
    ADMINISTRATION_RENAME = "UPDATE administrations SET name = $1, version = version + 1 WHERE id = $2";
    ADMINISTRATION_ALL = "SELECT id, slug, name FROM administrations ORDER BY name, id";
    MANDATE_INSERT = "INSERT INTO mandates (tenant_id, administration_id, valid_from, valid_until) VALUES ($1, $2, $3, $4)";
    MANDATE_END = "UPDATE mandates SET valid_until = $1 WHERE tenant_id = $2 AND valid_until > $1";
    MANDATES_OF_TENANT = "SELECT m.administration_id, a.name, m.valid_from, m.valid_until FROM mandates m \
        JOIN administrations a ON a.id = m.administration_id WHERE m.tenant_id = $1 ORDER BY m.valid_from";

    PRINCIPAL_INSERT = "INSERT INTO principals (id, login, kind, name, administration_id, password_hash, active, failures, locked_until, created_at, version, must_change) \
        VALUES ($1, $2, $3, $4, $5, $6, 1, 0, 0, $7, 1, $8)";
    PRINCIPAL_BY_LOGIN = "SELECT id, login, kind, name, administration_id, password_hash, active, failures, locked_until, must_change, wrapped_totp FROM principals WHERE login = $1";
    PRINCIPAL_BY_ID = "SELECT id, login, kind, name, administration_id, password_hash, active, failures, locked_until, must_change, wrapped_totp FROM principals WHERE id = $1";
    /// Accounts; a login that begins with `~` is a name for timelines.
    PRINCIPAL_ALL = "SELECT id, login, kind, name, administration_id, password_hash, active, failures, locked_until, must_change, wrapped_totp FROM principals \
        WHERE login NOT LIKE '~%' ORDER BY login";
    /// Roles in a tenant of active people under a valid mandate of their Administration, and who stands in for them.
    GRANTS_OF_TENANT = "SELECT g.role, g.place, g.tenant_id, g.object_id, p.id, p.name, COALESCE(d.id, ''), COALESCE(d.name, ''), COALESCE(v.ends_at, 0) \
        FROM grants g JOIN principals p ON p.id = g.principal_id \
        LEFT JOIN deputies v ON v.principal_id = p.id AND v.begins_at <= $2 AND v.ends_at > $2 LEFT JOIN principals d ON d.id = v.deputy_id \
        WHERE g.tenant_id = $1 AND p.active = 1 AND p.kind = 'person' AND EXISTS (SELECT 1 FROM mandates m \
        WHERE m.tenant_id = g.tenant_id AND m.administration_id = p.administration_id AND m.valid_from <= $2 AND m.valid_until > $2) ORDER BY p.name, p.id";
    PRINCIPAL_CHANGE = "UPDATE principals SET name = $1, administration_id = $2, version = version + 1 WHERE id = $3";
    PRINCIPAL_ACTIVE = "UPDATE principals SET active = $1, failures = 0, locked_until = 0, version = version + 1 WHERE id = $2";
    PRINCIPAL_FAILURE = "UPDATE principals SET failures = failures + 1, locked_until = CASE WHEN failures + 1 >= $1 THEN $2 ELSE locked_until END WHERE id = $3";
    PRINCIPAL_SUCCESS = "UPDATE principals SET failures = 0, locked_until = 0 WHERE id = $1";
    PRINCIPAL_PASSWORD = "UPDATE principals SET password_hash = $1, must_change = $2, failures = 0, locked_until = 0, version = version + 1 WHERE id = $3";
    /// A name for timelines, not an account.
    PRINCIPAL_REMEMBER = "INSERT INTO principals (id, login, kind, name, administration_id, password_hash, active, failures, locked_until, created_at, version) \
        VALUES ($1, $2, $3, $4, '', '', 0, 0, 0, {now}, 1) ON CONFLICT DO NOTHING";
    GRANT_INSERT = "INSERT INTO grants (principal_id, role, place, tenant_id, object_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    GRANT_DELETE = "DELETE FROM grants WHERE principal_id = $1 AND role = $2 AND place = $3 AND tenant_id = $4 AND object_id = $5";
    GRANTS_ALL = "SELECT role, place, tenant_id, object_id, principal_id FROM grants ORDER BY principal_id, role, place, tenant_id, object_id";
    GRANTS_OF = "SELECT role, place, tenant_id, object_id FROM grants WHERE principal_id = $1 ORDER BY role, place, tenant_id, object_id";
    /// Grants that are backed today: the installation's, services', and people's under a valid mandate of their
    /// Administration; and what those who are away today leave to their deputy (`$1`), as far as mandates of both back it.
    /// A deputy passes nothing on: only own grants of the one who is away are looked at.
    GRANTS_BACKED = "SELECT g.role, g.place, g.tenant_id, g.object_id, '' AS away, '' AS away_name, CAST(0 AS BIGINT) AS away_until \
        FROM grants g JOIN principals p ON p.id = g.principal_id \
        WHERE g.principal_id = $1 AND p.active = 1 AND (g.place = 'installation' OR p.kind = 'service' OR EXISTS (SELECT 1 FROM mandates m \
        WHERE m.tenant_id = g.tenant_id AND m.administration_id = p.administration_id AND m.valid_from <= $2 AND m.valid_until > $2)) \
        UNION ALL SELECT g.role, g.place, g.tenant_id, g.object_id, p.id, p.name, v.ends_at \
        FROM deputies v JOIN principals d ON d.id = v.deputy_id JOIN principals p ON p.id = v.principal_id JOIN grants g ON g.principal_id = v.principal_id \
        WHERE v.deputy_id = $1 AND v.begins_at <= $2 AND v.ends_at > $2 AND d.active = 1 AND d.kind = 'person' AND p.active = 1 AND p.kind = 'person' \
        AND g.role IN ('clerk', 'auditor') AND g.place <> 'installation' \
        AND EXISTS (SELECT 1 FROM mandates m WHERE m.tenant_id = g.tenant_id AND m.administration_id = p.administration_id AND m.valid_from <= $2 AND m.valid_until > $2) \
        AND EXISTS (SELECT 1 FROM mandates m WHERE m.tenant_id = g.tenant_id AND m.administration_id = d.administration_id AND m.valid_from <= $2 AND m.valid_until > $2) \
        ORDER BY 1, 2, 3, 4, 5";
    SESSION_INSERT = "INSERT INTO sessions (hash, principal_id, csrf, created_at, seen_at, expires_at, agent, waits_for) VALUES ($1, $2, $3, $4, $4, $5, $6, $7)";
    SESSION_GET = "SELECT principal_id, csrf, seen_at, expires_at, agent, waits_for FROM sessions WHERE hash = $1 AND expires_at > $2";
    SESSIONS_OF = "SELECT hash, created_at, seen_at, agent FROM sessions WHERE principal_id = $1 AND expires_at > $2 AND waits_for = '' ORDER BY seen_at DESC, hash";
    SESSION_SEEN = "UPDATE sessions SET seen_at = $1, expires_at = $2 WHERE hash = $3";
    SESSION_DELETE = "DELETE FROM sessions WHERE hash = $1";
    SESSION_END_OF = "DELETE FROM sessions WHERE principal_id = $1 AND hash <> $2";
    TOTP_SET = "UPDATE principals SET wrapped_totp = $1, totp_step = $2, version = version + 1 WHERE id = $3";
    TOTP_USE = "UPDATE principals SET totp_step = $1 WHERE id = $2 AND totp_step < $1 AND wrapped_totp <> ''";
    RECOVERY_INSERT = "INSERT INTO recovery_codes (principal_id, hash) VALUES ($1, $2)";
    RECOVERY_CLEAR = "DELETE FROM recovery_codes WHERE principal_id = $1";
    RECOVERY_USE = "DELETE FROM recovery_codes WHERE principal_id = $1 AND hash = $2";
    RECOVERY_LEFT = "SELECT COUNT(*) FROM recovery_codes WHERE principal_id = $1";
    SESSION_SWEEP = "DELETE FROM sessions WHERE expires_at <= $1";
    TOKEN_INSERT = "INSERT INTO tokens (hash, principal_id, tenant_id, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
    TOKEN_GET = "SELECT principal_id, tenant_id FROM tokens WHERE hash = $1 AND expires_at > $2";
    TOKENS_OF = "SELECT tenant_id, name, created_at, expires_at FROM tokens WHERE principal_id = $1 ORDER BY created_at, name";
    TOKEN_COUNT = "SELECT COUNT(*) FROM tokens WHERE principal_id = $1 AND tenant_id = $2 AND name = $3 AND expires_at > $4";
    TOKEN_DELETE_IN = "DELETE FROM tokens WHERE principal_id = $1 AND tenant_id = $2 AND name = $3";
    TOKEN_DELETE = "DELETE FROM tokens WHERE principal_id = $1 AND name = $2";

    MAILBOX_INSERT = "INSERT INTO mailboxes (tenant_id, id, name, active, created_at, version) VALUES ($1, $2, $3, 1, $4, 1)";
    MAILBOX_FOUR_EYES = "SELECT four_eyes FROM mailboxes WHERE tenant_id = $1 AND id = $2";
    MAILBOX_SET_FOUR_EYES = "UPDATE mailboxes SET four_eyes = $1, version = version + 1 WHERE tenant_id = $2 AND id = $3";
    MAILBOXES = "SELECT id, name, active FROM mailboxes WHERE tenant_id = $1 ORDER BY name, id";
    ADDRESS_INSERT = "INSERT INTO addresses (channel, identifier, tenant_id, mailbox_id) VALUES ($1, $2, $3, $4)";
    ADDRESS_GET = "SELECT tenant_id, mailbox_id FROM addresses WHERE channel = $1 AND identifier = $2";
    ADDRESSES_OF_TENANT = "SELECT channel, identifier, mailbox_id FROM addresses WHERE tenant_id = $1 ORDER BY channel, identifier";
    ADDRESS_MOVE = "UPDATE addresses SET mailbox_id = $1 WHERE channel = $2 AND identifier = $3 AND tenant_id = $4";
    DESK_INSERT = "INSERT INTO desks (id, administration_id, name, kind, created_at, version) VALUES ($1, $2, $3, $4, $5, 1)";
    DESK_TENANT_INSERT = "INSERT INTO desk_tenants (tenant_id, desk_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    DESK_TENANT_DELETE = "DELETE FROM desk_tenants WHERE tenant_id = $1 AND desk_id = $2";
    DESK_ALL = "SELECT id, administration_id, name, kind FROM desks ORDER BY name, id";
    DESKS_OF_TENANT = "SELECT d.id, d.administration_id, d.name, d.kind FROM desks d JOIN desk_tenants t ON t.desk_id = d.id WHERE t.tenant_id = $1 ORDER BY d.name, d.id";
    CONNECTOR_INSERT = "INSERT INTO connectors (tenant_id, id, kind, name, config, wrapped_secret, active, version) VALUES ($1, $2, $3, $4, $5, $6, $7, 1)";
    CONNECTORS = "SELECT id, kind, name, config, wrapped_secret, active, version FROM connectors WHERE tenant_id = $1 ORDER BY name, id";
    CONNECTOR_GET = "SELECT id, kind, name, config, wrapped_secret, active, version FROM connectors WHERE tenant_id = $1 AND id = $2";
    CONNECTOR_CHANGE = "UPDATE connectors SET config = $1, wrapped_secret = $2, active = $3, name = $7, version = version + 1 \
        WHERE tenant_id = $4 AND id = $5 AND version = $6";
    /// The condition is that of the partial index.
    CONNECTOR_STANDING = "SELECT target, state, COUNT(*), MAX(changed_at) FROM deliveries WHERE tenant_id = $1 AND substr(target, 1, 10) = 'connector:' \
        GROUP BY target, state";
    RULE_INSERT = "INSERT INTO rules (tenant_id, id, position, name, condition, actions, active, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (tenant_id, id) DO UPDATE SET position = excluded.position, name = excluded.name, condition = excluded.condition, \
        actions = excluded.actions, active = excluded.active, version = excluded.version WHERE rules.version = excluded.version - 1";
    RULE_DELETE = "DELETE FROM rules WHERE tenant_id = $1 AND id = $2 AND version = $3";
    RULE_SET_GET = "SELECT two_persons, draft, base, changed_by, changed_at, proposed_by, version FROM rule_sets WHERE tenant_id = $1";
    RULE_SET_PUT = "INSERT INTO rule_sets (tenant_id, two_persons, draft, base, changed_by, changed_at, proposed_by, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (tenant_id) DO UPDATE SET two_persons = excluded.two_persons, draft = excluded.draft, base = excluded.base, changed_by = excluded.changed_by, \
        changed_at = excluded.changed_at, proposed_by = excluded.proposed_by, version = excluded.version WHERE rule_sets.version = excluded.version - 1";
    RULE_SETS_PROPOSED = "SELECT t.id, t.name FROM rule_sets s JOIN tenants t ON t.id = s.tenant_id WHERE s.two_persons = 1 AND s.proposed_by <> '' ORDER BY t.name, t.id";
    RULE_RELEASE_INSERT = "INSERT INTO rule_releases (tenant_id, version, rules, released_by, proposed_by, released_at) VALUES ($1, $2, $3, $4, $5, $6)";
    RULE_RELEASE_LAST = "SELECT COALESCE(MAX(version), 0) FROM rule_releases WHERE tenant_id = $1";
    RULE_RELEASES = "SELECT version, rules, released_by, proposed_by, released_at FROM rule_releases WHERE tenant_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3";
    /// What was received last, with how the rules decided then.
    RULE_TRIALS = "SELECT m.id, m.size, m.accepted_at, i.subject, i.sender_address, i.explanation FROM messages m \
        JOIN inspections i ON i.tenant_id = m.tenant_id AND i.message_id = m.id WHERE m.tenant_id = $1 AND m.direction = 'in' ORDER BY m.id DESC LIMIT $2";
    RULES = "SELECT id, position, name, condition, actions, active, version FROM rules WHERE tenant_id = $1 ORDER BY position, id";

    /// Takes the row of an account: roles and account change one after the other.
    /// What somebody may stand in for, today or later.
    DEPUTED_GRANTS = "SELECT g.role, g.place, g.tenant_id, g.object_id FROM deputies v JOIN grants g ON g.principal_id = v.principal_id \
        WHERE v.deputy_id = $1 AND v.ends_at > $2 AND g.role IN ('clerk', 'auditor') AND g.place <> 'installation'";
    TENANT_HOLD = "UPDATE tenants SET version = version WHERE id = $1";
    PRINCIPAL_HOLD_STILL = "UPDATE principals SET version = version WHERE id = $1";
    PRINCIPAL_HOLD = "UPDATE principals SET version = version + 1 WHERE id = $1";
    ADMIN_PEOPLE = concat!("SELECT p.id, p.login, p.kind, p.name, p.administration_id, p.active, p.locked_until, p.must_change, p.wrapped_totp, p.version FROM principals p \
        WHERE ", seen_from!(), " ORDER BY p.kind, p.name, p.id");
    ADMIN_PERSON = concat!("SELECT p.id, p.login, p.kind, p.name, p.administration_id, p.active, p.locked_until, p.must_change, p.wrapped_totp, p.version FROM principals p \
        WHERE p.id = $3 AND ", seen_from!());
    ADMIN_GRANTS = concat!("SELECT g.role, g.place, g.tenant_id, g.object_id, g.principal_id FROM grants g WHERE g.principal_id IN \
        (SELECT p.id FROM principals p WHERE ", seen_from!(), ") ORDER BY g.principal_id, g.role, g.place, g.tenant_id, g.object_id");
    ADMIN_MAILBOXES = "SELECT id, name, active, four_eyes, version FROM mailboxes WHERE tenant_id = $1 ORDER BY name, id";
    MAILBOX_RENAME = "UPDATE mailboxes SET name = $1, version = version + 1 WHERE tenant_id = $2 AND id = $3 AND version = $4";
    /// Desks that serve a tenant, and all of the Administrations with its mandate.
    ADMIN_DESKS = "SELECT d.id, d.administration_id, d.name, d.kind, d.version FROM desks d WHERE EXISTS (SELECT 1 FROM desk_tenants t WHERE t.tenant_id = $1 AND t.desk_id = d.id) \
        OR EXISTS (SELECT 1 FROM mandates m WHERE m.tenant_id = $1 AND m.administration_id = d.administration_id AND m.valid_from <= $2 AND m.valid_until > $2) ORDER BY d.name, d.id";
    ADMIN_DESK_TENANTS = "SELECT t.desk_id, t.tenant_id FROM desk_tenants t JOIN desks d ON d.id = t.desk_id WHERE EXISTS (SELECT 1 FROM desk_tenants x WHERE x.tenant_id = $1 AND x.desk_id = d.id) \
        OR EXISTS (SELECT 1 FROM mandates m WHERE m.tenant_id = $1 AND m.administration_id = d.administration_id AND m.valid_from <= $2 AND m.valid_until > $2) ORDER BY t.desk_id, t.tenant_id";
    DESK_RENAME = "UPDATE desks SET name = $1, version = version + 1 WHERE id = $2 AND version = $3";

    /// One's colleagues: who could stand in.
    PEOPLE_AT_HOME = "SELECT p.id, p.name FROM principals p WHERE p.administration_id = $1 AND p.administration_id <> '' AND p.kind = 'person' AND p.active = 1 \
        AND p.login NOT LIKE '~%' ORDER BY p.name, p.id";
    DEPUTY_INSERT = "INSERT INTO deputies (id, principal_id, deputy_id, begins_at, ends_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    /// What is not over at `$2`.
    DEPUTIES_OF = "SELECT v.id, v.principal_id, p.name, v.deputy_id, d.name, v.begins_at, v.ends_at FROM deputies v JOIN principals p ON p.id = v.principal_id \
        JOIN principals d ON d.id = v.deputy_id WHERE v.principal_id = $1 AND v.ends_at > $2 ORDER BY v.begins_at, v.id";
    DEPUTIES_SEEN = concat!("SELECT v.id, v.principal_id, p.name, v.deputy_id, d.name, v.begins_at, v.ends_at FROM deputies v JOIN principals p ON p.id = v.principal_id \
        JOIN principals d ON d.id = v.deputy_id WHERE v.ends_at > $2 AND ", seen_from!(), " ORDER BY v.begins_at, v.id");
    DEPUTY_GET = "SELECT v.id, v.principal_id, p.name, v.deputy_id, d.name, v.begins_at, v.ends_at FROM deputies v JOIN principals p ON p.id = v.principal_id \
        JOIN principals d ON d.id = v.deputy_id WHERE v.id = $1";
    /// What has not begun yet never was; what has, ends now.
    DEPUTY_END = "UPDATE deputies SET ends_at = CASE WHEN begins_at > $1 THEN 0 ELSE $1 END WHERE id = $2 AND ends_at > $1";

    MESSAGE_GET = "SELECT id, direction, channel, mailbox_id, foreign_id, conflicts_with, in_reply_to, conversation_id, blob_id, size, sha256, sha512, transport, accepted_at \
        FROM messages WHERE tenant_id = $1 AND id = $2";
    MESSAGE_FOREIGN = "SELECT id, sha256 FROM messages WHERE tenant_id = $1 AND channel = $2 AND foreign_id = $3 ORDER BY accepted_at, id";
    MESSAGE_EXISTS = "SELECT 1 FROM messages WHERE tenant_id = $1 AND id = $2";
    MESSAGE_KEY = "SELECT wrapped FROM message_keys WHERE tenant_id = $1 AND message_id = $2";
    MESSAGE_MAILBOXES = "SELECT mailbox_id FROM message_mailboxes WHERE tenant_id = $1 AND message_id = $2 ORDER BY mailbox_id";
    /// The page is cut before anything is joined: without statistics PostgreSQL would join all of it first.
    MESSAGE_PAGE = "SELECT m.id, m.direction, m.channel, m.size, m.transport, m.accepted_at, COALESCE(i.subject, ''), COALESCE(i.sender_name, ''), \
        COALESCE(i.sender_address, ''), COALESCE(i.urgent, 0), COALESCE(i.version, 0), \
        (SELECT COUNT(*) FROM parts p WHERE p.tenant_id = m.tenant_id AND p.message_id = m.id AND p.leaf = 1 AND (p.raw_name <> '' OR p.disposition = 'attachment')) \
        FROM (SELECT tenant_id, id, direction, channel, size, transport, accepted_at FROM messages WHERE tenant_id = $1 AND id < $2 \
        ORDER BY id DESC LIMIT $3) m LEFT JOIN inspections i ON i.tenant_id = m.tenant_id AND i.message_id = m.id ORDER BY m.id DESC";
    INSPECTION_GET = "SELECT version, subject, sender_name, sender_address, recipients, sent_at, header_id, automatic, urgent, defects, explanation, created_at \
        FROM inspections WHERE tenant_id = $1 AND message_id = $2";
    /// The nearest known of eight Message-IDs. `header_id <> ''` lets both databases use the partial index.
    THREAD_FIND = concat!(
        "SELECT id, conversation_id FROM messages WHERE tenant_id = $1 AND id = COALESCE(",
        known!("$2"), ", ", known!("$3"), ", ", known!("$4"), ", ", known!("$5"), ", ", known!("$6"), ", ", known!("$7"), ", ",
        known!("$8"), ", ", known!("$9"), ")"
    );
    THREAD_JOIN = "UPDATE messages SET in_reply_to = $1, conversation_id = $2 WHERE tenant_id = $3 AND id = $4";
    PARTS = "SELECT n, parent, path, leaf, start_at, length, encoding, declared, detected, charset, raw_name, name, disposition, size, sha256, defects, blob_id, header_at \
        FROM parts WHERE tenant_id = $1 AND message_id = $2 ORDER BY n LIMIT $3 OFFSET $4";
    /// The newest sheet of a message, or the one of version `$3`.
    SHEET_GET = "SELECT version, sheet, sha256, created_at FROM sheets WHERE tenant_id = $1 AND message_id = $2 AND (CAST($3 AS BIGINT) = 0 OR version = $3) ORDER BY version DESC LIMIT 1";
    SHEET_VERSIONS = "SELECT version, sha256, created_at FROM sheets WHERE tenant_id = $1 AND message_id = $2 ORDER BY version";
    FINDINGS = "SELECT name, source, version, body, at FROM findings WHERE tenant_id = $1 AND message_id = $2 ORDER BY name";
    DERIVED = "SELECT blob_id, part, size, sha256, created_at FROM derived WHERE tenant_id = $1 AND message_id = $2 ORDER BY blob_id";
    BLOB_NAMED = "SELECT 1 FROM messages WHERE tenant_id = $1 AND id = $2 AND blob_id = $3 \
        UNION ALL SELECT 1 FROM derived WHERE tenant_id = $1 AND message_id = $2 AND blob_id = $3";
    QUARANTINE_OF = "SELECT message_id, part, cause, note, state, next_check, proposed_by, words, decided_by, held_at, changed_at, version FROM quarantine \
        WHERE tenant_id = $1 AND message_id = $2 ORDER BY part";
    /// What waits for people or for the scanner, newest message first.
    QUARANTINE_OPEN = "SELECT message_id, part, cause, note, state, next_check, proposed_by, words, decided_by, held_at, changed_at, version FROM quarantine \
        WHERE tenant_id = $1 AND state IN ('held', 'proposed') AND message_id < $2 ORDER BY message_id DESC, part LIMIT $3";
    QUARANTINE_CLOSED = "SELECT q.part, p.blob_id, p.start_at, p.length FROM quarantine q JOIN parts p \
        ON p.tenant_id = q.tenant_id AND p.message_id = q.message_id AND p.n = q.part WHERE q.tenant_id = $1 AND q.message_id = $2 AND q.state <> 'released' \
        UNION ALL SELECT -1, '', 0, m.size FROM messages m WHERE m.tenant_id = $1 AND m.id = $2 AND NOT EXISTS (SELECT 1 FROM inspections i \
        WHERE i.tenant_id = m.tenant_id AND i.message_id = m.id) ORDER BY 1";
    DERIVED_SOURCE = "SELECT p.blob_id, p.start_at, p.length FROM derived d JOIN parts p \
        ON p.tenant_id = d.tenant_id AND p.message_id = d.message_id AND p.n = d.part WHERE d.tenant_id = $1 AND d.message_id = $2 AND d.blob_id = $3";
    QUARANTINE_UPDATE = "UPDATE quarantine SET cause = $1, note = $2, state = $3, next_check = $4, proposed_by = $5, words = $6, decided_by = $7, changed_at = $8, version = version + 1 \
        WHERE tenant_id = $9 AND message_id = $10 AND part = $11 AND version = $12";
    INSPECTION_VERSION = "UPDATE inspections SET version = $1 WHERE tenant_id = $2 AND message_id = $3 AND version = CAST($1 AS BIGINT) - 1";
    DELIVERIES_OF_MESSAGE = "SELECT id, message_id, rule_id, target, state, reason, foreign_id, attempts, next_attempt, expires_at, created_at, changed_at, version \
        FROM deliveries WHERE tenant_id = $1 AND message_id = $2 ORDER BY created_at, id";
    DELIVERY_GET = "SELECT id, message_id, rule_id, target, state, reason, foreign_id, attempts, next_attempt, expires_at, created_at, changed_at, version \
        FROM deliveries WHERE tenant_id = $1 AND id = $2";
    RECEIPTS_OF_MESSAGE = "SELECT id, delivery_id, kind, carried_by, body, created_at FROM receipts WHERE tenant_id = $1 AND message_id = $2 ORDER BY created_at, id";

    DESK_ITEM = "SELECT delivery_id, desk_id, message_id, state, owner, due_at, urgent, created_at, version, changed_at, changed_by, before FROM desk_items \
        WHERE tenant_id = $1 AND delivery_id = $2";
    DESK_ITEMS_OF_MESSAGE = "SELECT delivery_id, desk_id, message_id, state, owner, due_at, urgent, created_at, version, changed_at, changed_by, before FROM desk_items \
        WHERE tenant_id = $1 AND message_id = $2 ORDER BY delivery_id";
    DESK_UPDATE = "UPDATE desk_items SET desk_id = $1, state = $2, owner = $3, due_at = $4, changed_at = $5, changed_by = $6, before = $7, version = version + 1 \
        WHERE tenant_id = $8 AND delivery_id = $9 AND version = $10";
    /// How many open items of each state, and how many of them are mine, lie on each desk.
    DESK_COUNTS = "SELECT desk_id, SUM(CASE WHEN state = 'new' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'claimed' THEN 1 ELSE 0 END), \
        SUM(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), SUM(CASE WHEN owner = $2 THEN 1 ELSE 0 END) FROM desk_items \
        WHERE tenant_id = $1 AND state <> 'done' GROUP BY desk_id";
    NOTE_INSERT = "INSERT INTO notes (tenant_id, id, message_id, principal_id, text, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    NOTES_OF_MESSAGE = "SELECT id, principal_id, text, created_at FROM notes WHERE tenant_id = $1 AND message_id = $2 ORDER BY id";
    /// Where it lies, and the desk it was written from.
    DESKS_OF_MESSAGE = "SELECT desk_id FROM desk_items WHERE tenant_id = $1 AND message_id = $2 \
        UNION SELECT desk_id FROM drafts WHERE tenant_id = $1 AND message_id = $2 AND message_id <> '' AND desk_id <> ''";

    DRAFT_INSERT = "INSERT INTO drafts (tenant_id, id, principal_id, mailbox_id, kind, answers, thread, recipients, copies, subject, body, state, reason, \
        send_at, desk_id, message_id, released_by, created_at, changed_at, version) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    DRAFT_GET = "SELECT id, principal_id, mailbox_id, kind, answers, thread, recipients, copies, subject, body, state, reason, send_at, desk_id, message_id, released_by, created_at, changed_at, version \
        FROM drafts WHERE tenant_id = $1 AND id = $2";
    /// For lists: without the texts.
    DRAFTS_OF = "SELECT id, principal_id, mailbox_id, kind, answers, thread, recipients, copies, subject, '', state, reason, send_at, desk_id, message_id, released_by, created_at, changed_at, version \
        FROM drafts WHERE tenant_id = $1 AND principal_id = $2 ORDER BY changed_at DESC, id DESC LIMIT $3";
    DRAFTS_TO_RELEASE = "SELECT id, principal_id, mailbox_id, kind, answers, thread, recipients, copies, subject, '', state, reason, send_at, desk_id, message_id, released_by, created_at, changed_at, version \
        FROM drafts WHERE tenant_id = $1 AND state = 'release' ORDER BY changed_at DESC, id DESC LIMIT $2";
    DRAFT_UPDATE = "UPDATE drafts SET recipients = $1, copies = $2, subject = $3, body = $4, state = $5, reason = $6, send_at = $7, message_id = $8, \
        released_by = $9, changed_at = $10, version = version + 1 WHERE tenant_id = $11 AND id = $12 AND version = $13";
    DRAFT_DELETE = "DELETE FROM drafts WHERE tenant_id = $1 AND id = $2 AND version = $3";
    DRAFT_DESK = "SELECT desk_id FROM drafts WHERE tenant_id = $1 AND message_id = $2 AND message_id <> ''";
    TEXT_BLOCKS = "SELECT id, name, text, version, changed_at, changed_by FROM text_blocks WHERE tenant_id = $1 ORDER BY name";
    TEXT_BLOCK_INSERT = "INSERT INTO text_blocks (tenant_id, id, name, text, version, changed_at, changed_by) VALUES ($1, $2, $3, $4, 1, $5, $6)";
    TEXT_BLOCK_UPDATE = "UPDATE text_blocks SET name = $1, text = $2, version = version + 1, changed_at = $3, changed_by = $4 \
        WHERE tenant_id = $5 AND id = $6 AND version = $7";
    TEXT_BLOCK_DELETE = "DELETE FROM text_blocks WHERE tenant_id = $1 AND id = $2 AND version = $3";
    DRAFT_PART_INSERT = "INSERT INTO draft_parts (tenant_id, id, draft_id, name, media_type, size, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DRAFT_PARTS = "SELECT p.id, p.name, p.media_type, p.size, p.created_at, \
        CAST(COALESCE((SELECT SUM(x.size) FROM draft_pieces x WHERE x.tenant_id = p.tenant_id AND x.part_id = p.id), 0) AS BIGINT) \
        FROM draft_parts p WHERE p.tenant_id = $1 AND p.draft_id = $2 ORDER BY p.id";
    DRAFT_PART_DELETE = "DELETE FROM draft_parts WHERE tenant_id = $1 AND id = $2 AND draft_id = $3";
    DRAFT_PARTS_DELETE = "DELETE FROM draft_parts WHERE tenant_id = $1 AND draft_id = $2";
    /// Holds an attachment until the commit: none goes while octets are added to it.
    DRAFT_PART_HOLD = "UPDATE draft_parts SET size = size WHERE tenant_id = $1 AND id = $2";
    DRAFT_PIECE_INSERT = "INSERT INTO draft_pieces (tenant_id, id, part_id, start_at, size, sha256, wrapped) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DRAFT_PIECES = "SELECT id, start_at, size, sha256, wrapped FROM draft_pieces WHERE tenant_id = $1 AND part_id = $2 ORDER BY start_at";
    DRAFT_PIECES_DELETE = "DELETE FROM draft_pieces WHERE tenant_id = $1 AND part_id = $2";
    DRAFT_PIECES_CLEAR = "DELETE FROM draft_pieces WHERE tenant_id = $1 AND part_id IN (SELECT id FROM draft_parts WHERE tenant_id = $1 AND draft_id = $2)";
    DRAFT_PIECE_EXISTS = "SELECT 1 FROM draft_pieces WHERE tenant_id = $1 AND id = $2";

    EVIDENCE_OF = "SELECT n, event, at, who, envelope, body, hash, pos FROM evidence WHERE tenant_id = $1 AND subject = $2 ORDER BY n";
    EVIDENCE_SINCE = "SELECT at, body FROM evidence WHERE tenant_id = $1 AND subject = $2 AND event = $3 AND who = $4 AND at > $5 ORDER BY n";
    EVIDENCE_OPEN_TENANTS = "SELECT DISTINCT tenant_id FROM evidence WHERE pos < 0";
    EVIDENCE_OPEN = "SELECT subject, n, hash FROM evidence WHERE tenant_id = $1 AND pos < 0 ORDER BY at, subject, n LIMIT $2";
    EVIDENCE_WAITING = "SELECT COUNT(*), COALESCE(MIN(at), 0) FROM evidence WHERE pos < 0";
    EVIDENCE_PLACE = "UPDATE evidence SET pos = $1 WHERE tenant_id = $2 AND subject = $3 AND n = $4 AND pos < 0";
    EVIDENCE_RANGE = "SELECT pos, subject, n, envelope, body, hash FROM evidence WHERE tenant_id = $1 AND pos >= $2 AND pos < $3 ORDER BY pos";
    /// What people changed, newest first, before ($3, $4, $5).
    EVIDENCE_CHANGES = "SELECT subject, n, event, at, who, body FROM evidence WHERE tenant_id = $1 AND event IN ('Created', 'Changed', 'Ended') \
        AND substr(subject, 1, 6) <> 'draft:' AND substr(subject, 1, 8) <> 'message:' AND subject LIKE $2 AND (at, subject, n) < ($3, $4, $5) ORDER BY at DESC, subject DESC, n DESC LIMIT $6";
    EVIDENCE_SUBJECTS = "SELECT DISTINCT subject FROM evidence WHERE tenant_id = $1 AND subject > $2 ORDER BY subject LIMIT $3";
    CHECKPOINT_LAST = "SELECT size, root, frontier, note, fence, created_at FROM checkpoints WHERE tenant_id = $1 ORDER BY size DESC LIMIT 1";
    /// One step into the index for each tenant, however long its log is.
    LOG_SIZES = "SELECT t.id, COALESCE((SELECT MAX(c.size) FROM checkpoints c WHERE c.tenant_id = t.id), 0) FROM tenants t";
    CHECKPOINT_INSERT = "INSERT INTO checkpoints (tenant_id, size, root, frontier, note, fence, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

    /// Messages, what was won from their parts, and pieces of drafts: a piece stands in for message and blob.
    BACKUP_BLOBS = "SELECT m.tenant_id, m.id, m.blob_id, m.size FROM messages m JOIN message_keys k ON k.tenant_id = m.tenant_id AND k.message_id = m.id \
        WHERE (m.tenant_id, m.id, m.blob_id) > ($1, $2, $3) UNION ALL SELECT d.tenant_id, d.message_id, d.blob_id, d.size FROM derived d \
        JOIN message_keys k ON k.tenant_id = d.tenant_id AND k.message_id = d.message_id WHERE (d.tenant_id, d.message_id, d.blob_id) > ($1, $2, $3) \
        UNION ALL SELECT p.tenant_id, p.id, p.id, p.size FROM draft_pieces p \
        WHERE (p.tenant_id, p.id, p.id) > ($1, $2, $3) ORDER BY 1, 2, 3 LIMIT $4";
    BACKUP_MESSAGES = "SELECT tenant_id, COUNT(*) FROM messages GROUP BY tenant_id";
    BACKUP_ENTRIES = "SELECT tenant_id, COUNT(*) FROM evidence GROUP BY tenant_id";
    CHECKPOINT_ROOT = "SELECT root FROM checkpoints WHERE tenant_id = $1 AND size = $2";
    LEASE_END_ALL = "UPDATE leases SET until = 0";
    JOB_FREE_ALL = "UPDATE jobs SET lease_token = '', available_at = {now} WHERE lease_token <> ''";
    SESSION_END_ALL = "DELETE FROM sessions WHERE created_at <= $1";

    LEASE_TAKE = "INSERT INTO leases (name, holder, fence, until) VALUES ($1, $2, 1, {now} + $3) ON CONFLICT (name) DO UPDATE SET \
        holder = excluded.holder, fence = CASE WHEN leases.holder = excluded.holder THEN leases.fence ELSE leases.fence + 1 END, until = excluded.until \
        WHERE leases.holder = excluded.holder OR leases.until < {now}";
    LEASE_PUT = "INSERT INTO leases (name, holder, fence, until) VALUES ($1, '', $2, 0) ON CONFLICT (name) DO UPDATE SET \
        fence = CASE WHEN leases.fence > excluded.fence THEN leases.fence ELSE excluded.fence END";
    LEASE_GET = "SELECT holder, fence, until FROM leases WHERE name = $1";
    LEASE_DROP = "UPDATE leases SET until = 0 WHERE name = $1 AND holder = $2";

    /// Every lane with work that is due, by jumping from lane to lane in the index (never a scan of all jobs).
    JOB_LANES = "WITH RECURSIVE lanes(lane) AS (SELECT MIN(lane) FROM jobs UNION ALL \
        SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL) \
        SELECT l.lane, (SELECT MIN(j.available_at) FROM jobs j WHERE j.lane = l.lane) - {now} FROM lanes l WHERE l.lane IS NOT NULL";
    /// MATERIALIZED: a planner that ran the locking SELECT twice would claim more than the limit.
    JOB_CLAIM = "WITH picked AS MATERIALIZED (SELECT id FROM jobs WHERE lane = $3 AND available_at <= {now} \
        ORDER BY available_at, id LIMIT $4 {lock}) \
        UPDATE jobs SET lease_token = $1, available_at = {now} + $2, attempts = attempts + 1 WHERE id IN (SELECT id FROM picked) \
        RETURNING id, tenant_id, lane, kind, version, subject, payload, attempts, created_at";
    JOB_RELEASE = "UPDATE jobs SET lease_token = '', attempts = attempts - 1, available_at = {now} + $1 WHERE id = $2 AND lease_token = $3";
    JOB_HASTEN = "UPDATE jobs SET available_at = {now} WHERE tenant_id = $1 AND subject = $2 AND lease_token = ''";
    JOB_OF_SUBJECT = "SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 AND subject = $2";
    JOB_COUNTS = "SELECT kind, COUNT(*), MIN(available_at) FROM jobs GROUP BY kind ORDER BY kind";
    JOB_STATES = "SELECT lane, CASE WHEN available_at <= {now} THEN 'waiting' WHEN lease_token <> '' THEN 'leased' ELSE 'scheduled' END, \
        COUNT(*), MIN(available_at) FROM jobs GROUP BY 1, 2";
    JOB_COUNTS_TENANT = "SELECT tenant_id, COUNT(*) FROM jobs GROUP BY tenant_id ORDER BY tenant_id";

    ALARM_RAISE = "INSERT INTO alarms (tenant_id, id, topic, reason, raised_at, cleared_at) VALUES ($1, $2, $3, $4, $5, 0) \
        ON CONFLICT (tenant_id, topic) WHERE cleared_at = 0 DO UPDATE SET reason = excluded.reason";
    ALARM_CLEAR = "UPDATE alarms SET cleared_at = $1 WHERE tenant_id = $2 AND topic = $3 AND cleared_at = 0";
    ALARM_GET = "SELECT tenant_id, id, topic, reason, raised_at, cleared_at FROM alarms WHERE id = $1";
    ALARMS_OPEN = "SELECT tenant_id, id, topic, reason, raised_at FROM alarms WHERE cleared_at = 0 ORDER BY raised_at, id";

    BALANCE_COUNTS = "SELECT tenant_id, channel, direction, COUNT(*) FROM messages GROUP BY tenant_id, channel, direction ORDER BY tenant_id, channel, direction";
    BALANCE_LISTED = "SELECT tenant_id, event, COUNT(*) FROM evidence WHERE n = 0 AND subject LIKE 'message:%' GROUP BY tenant_id, event ORDER BY tenant_id, event";
    /// Under row-level security PostgreSQL uses an index only for comparisons that cannot leak, and `||` and `substr` may:
    /// so they are worked out beforehand, in a subquery that LIMIT keeps from being merged.
    BALANCE_UNPROVEN = "SELECT m.tenant_id, m.id FROM (SELECT tenant_id, id, 'message:' || id AS subject FROM messages LIMIT 9223372036854775807) m \
        LEFT JOIN evidence e ON e.tenant_id = m.tenant_id AND e.subject = m.subject AND e.n = 0 WHERE e.n IS NULL LIMIT 1000";
    BALANCE_LOST = "SELECT e.tenant_id, e.subject FROM (SELECT tenant_id, subject, substr(subject, 9) AS id FROM evidence \
        WHERE n = 0 AND subject LIKE 'message:%' LIMIT 9223372036854775807) e \
        LEFT JOIN messages m ON m.tenant_id = e.tenant_id AND m.id = e.id WHERE m.id IS NULL LIMIT 1000";
    /// Per message: how its deliveries stand. Joined in code with the jobs.
    BALANCE_DELIVERIES = "SELECT m.tenant_id, m.channel, m.direction, \
        SUM(CASE WHEN x.total > 0 AND x.open = 0 AND x.parked = 0 AND x.failed = 0 THEN 1 ELSE 0 END), \
        SUM(CASE WHEN x.open > 0 OR COALESCE(x.total, 0) = 0 THEN 1 ELSE 0 END), \
        SUM(CASE WHEN x.open = 0 AND x.parked > 0 THEN 1 ELSE 0 END), \
        SUM(CASE WHEN x.open = 0 AND x.parked = 0 AND x.failed > 0 THEN 1 ELSE 0 END) \
        FROM messages m LEFT JOIN (SELECT tenant_id, message_id, COUNT(*) AS total, \
        SUM(CASE WHEN state IN ('planned', 'sending', 'deferred', 'unclear') THEN 1 ELSE 0 END) AS open, \
        SUM(CASE WHEN state = 'parked' THEN 1 ELSE 0 END) AS parked, \
        SUM(CASE WHEN state IN ('rejected', 'expired') THEN 1 ELSE 0 END) AS failed \
        FROM deliveries GROUP BY tenant_id, message_id) x ON x.tenant_id = m.tenant_id AND x.message_id = m.id \
        GROUP BY m.tenant_id, m.channel, m.direction ORDER BY m.tenant_id, m.channel, m.direction";
    /// Messages nobody works on: no delivery and no job.
    BALANCE_STUCK_MESSAGES = "SELECT m.tenant_id, m.id FROM messages m WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.tenant_id = m.tenant_id AND d.message_id = m.id) \
        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.tenant_id = m.tenant_id AND j.subject = m.id) LIMIT 1000";
    /// Open deliveries nobody works on.
    BALANCE_STUCK_DELIVERIES = "SELECT d.tenant_id, d.message_id, d.id FROM deliveries d WHERE d.state IN ('planned', 'sending', 'deferred', 'unclear') \
        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.tenant_id = d.tenant_id AND j.subject = d.id) LIMIT 1000";
    /// Deliveries to a desk without their item.
    BALANCE_ITEMLESS = "SELECT d.tenant_id, d.message_id, d.id FROM deliveries d WHERE d.state = 'confirmed' AND d.target LIKE 'desk:%' \
        AND NOT EXISTS (SELECT 1 FROM desk_items i WHERE i.tenant_id = d.tenant_id AND i.delivery_id = d.id) LIMIT 1000";
}

macro_rules! inserts {
    ($($name:ident = $table:literal, $columns:literal, $conflict:literal;)+) => {
        $(pub(crate) const $name: Insert = Insert { table: $table, columns: $columns, conflict: $conflict };)+
        /// Every many-row INSERT.
        pub const INSERTS: &[Insert] = &[$($name),+];
    };
}

inserts! {
    MESSAGES_IN = "messages", "tenant_id, id, direction, channel, mailbox_id, foreign_id, conflicts_with, in_reply_to, conversation_id, blob_id, size, sha256, sha512, transport, accepted_at", "";
    KEYS_IN = "message_keys", "tenant_id, message_id, wrapped", "";
    MESSAGE_MAILBOXES_IN = "message_mailboxes", "tenant_id, message_id, mailbox_id", "ON CONFLICT DO NOTHING";
    INSPECTIONS_IN = "inspections", "tenant_id, message_id, version, subject, sender_name, sender_address, recipients, sent_at, header_id, automatic, urgent, defects, explanation, created_at", "";
    PARTS_IN = "parts", "tenant_id, message_id, n, parent, path, leaf, start_at, length, encoding, declared, detected, charset, raw_name, name, disposition, size, sha256, defects, blob_id, header_at", "";
    SHEETS_IN = "sheets", "tenant_id, message_id, version, sheet, sha256, created_at", "";
    FINDINGS_IN = "findings", "tenant_id, message_id, name, source, version, body, at", "ON CONFLICT DO NOTHING";
    DERIVED_IN = "derived", "tenant_id, message_id, blob_id, part, size, sha256, created_at", "";
    QUARANTINE_IN = "quarantine", "tenant_id, message_id, part, cause, note, state, next_check, proposed_by, words, decided_by, held_at, changed_at, version", "";
    DELIVERIES_IN = "deliveries", "tenant_id, id, message_id, rule_id, target, state, reason, foreign_id, attempts, next_attempt, expires_at, created_at, changed_at, version", "";
    RECEIPTS_IN = "receipts", "tenant_id, id, message_id, delivery_id, kind, carried_by, body, created_at", "";
    DESK_ITEMS_IN = "desk_items", "tenant_id, delivery_id, desk_id, message_id, state, owner, due_at, urgent, created_at, version, changed_at, changed_by, before", "";
    EVIDENCE_IN = "evidence", "tenant_id, subject, n, event, at, who, envelope, body, hash, pos", "";
    JOBS_IN = "jobs", "id, tenant_id, lane, kind, version, subject, payload, available_at, lease_token, attempts, created_at", "";
}

/// Statements whose text is built at run time, in all their lengths, with their names.
#[must_use]
pub fn built(dialect: Dialect) -> Vec<(String, String)> {
    let mut all = vec![("EVIDENCE_PLACE_MANY".to_owned(), crate::evidence::place_many())];
    all.extend(crate::transfer::built(dialect));
    all.extend(crate::desk::built());
    all.extend(crate::threads::built());
    all.extend(crate::books::built(dialect));
    all.extend(crate::search::built(dialect));
    for width in (0..=7).map(|power| 1_usize << power) {
        all.push((format!("JOB_RENEW {width}"), crate::jobs::renew_sql(width)));
        all.push((format!("JOB_FINISH {width}"), crate::jobs::finish_sql(width)));
        all.push((format!("EVIDENCE_HEADS {width}"), crate::evidence::heads_sql(width)));
        all.push((format!("DELIVERIES_BY_ID {width}"), crate::messages::by_id_sql(width)));
        all.push((format!("MESSAGE_PAGE_WITHIN {width}"), crate::lines::page_within_sql(width)));
        all.push((format!("DELIVERY_STATES {width}"), crate::lines::states_sql(width)));
        all.push((format!("PRINCIPAL_NAMES {width}"), crate::access::names_sql(width)));
        all.push((format!("EVIDENCE_CHANGES_OF {width}"), crate::administration::changes_of_sql(width)));
        all.push((format!("TENANTS_OF_IDS {width}"), crate::tenants::of_ids_sql(width)));
    }
    all.extend(STEPS.map(|rows| (format!("DELIVERY_UPDATE {rows}"), crate::messages::update_sql(rows))));
    all.push(("DELIVERY_STATES 256".to_owned(), crate::lines::states_sql(256)));
    all
}
