// SPDX-License-Identifier: EUPL-1.2
//! Search: the words of messages, found again. Derived from the messages and rebuildable at any time.
//!
//! Guarantees: both databases find the same, because words are cut and folded here (case, umlauts, accents) and each
//! database only stores them: SQLite in an FTS5 table, PostgreSQL in a `tsvector`. Every stored word begins with the
//! id of its tenant: a search touches nothing of other tenants, and none of their words makes it slower. What somebody
//! types is never part of a query language: only its letters and digits get there, quoted.
//! Not: no stems, no synonyms, no ranking; newest first.

use poststelle_model::{DeskId, MailboxId, MessageId, TenantId};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::bulk::{STEPS, Value, args, step};
use crate::db::{Dialect, StoreError, Tx, int};
use crate::lines::{self, Line};

/// What of a message can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant: TenantId,
    /// Which message.
    pub message: MessageId,
    /// Subject, names, text …; a phrase is found within one of them only.
    pub texts: Vec<String>,
}

/// Most words kept of one message; what comes later is not found.
const WORDS: usize = 4096;
/// Longest word, characters; of longer ones the beginning counts.
const WORD: usize = 64;
/// Most words of a question.
const ASKED: usize = 16;
/// Longest question, characters.
const QUESTION: usize = 300;

/// Words of a text: runs of letters and digits, folded.
fn words(text: &str) -> Vec<String> {
    let (mut all, mut word, mut long) = (Vec::new(), String::new(), 0);
    for c in text.nfkc().flat_map(char::to_lowercase).chain([' ']) {
        let folded: &mut dyn Iterator<Item = char> = match c {
            'ä' => &mut "ae".chars(),
            'ö' => &mut "oe".chars(),
            'ü' => &mut "ue".chars(),
            'ß' => &mut "ss".chars(),
            c => &mut std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)),
        };
        for c in folded {
            if c.is_alphanumeric() {
                if long < WORD {
                    word.push(c);
                }
                long += 1;
            } else if !word.is_empty() {
                all.push(std::mem::take(&mut word));
                long = 0;
                if all.len() == WORDS {
                    return all;
                }
            }
        }
    }
    all
}

/// What every word of a tenant begins with.
fn tag(tenant: TenantId) -> String {
    tenant.uuid().simple().to_string()
}

/// The words of an entry as its database takes them.
fn stored(entry: &Entry, dialect: Dialect) -> String {
    let tag = tag(entry.tenant);
    let mut out = String::new();
    let (mut place, mut count) = (1, 0);
    if dialect == Dialect::Postgres {
        // So that rows can be read of which nothing is asked: see [`whole`].
        out.push_str(&format!("'{tag}':1"));
    }
    for text in &entry.texts {
        // A gap, which no phrase crosses.
        place += 1;
        if dialect == Dialect::Sqlite {
            out.push_str(" ¦");
        }
        for word in words(text) {
            if count == WORDS {
                return out;
            }
            (place, count) = (place + 1, count + 1);
            match dialect {
                Dialect::Sqlite => out.push_str(&format!(" {tag}{word}")),
                Dialect::Postgres => out.push_str(&format!(" '{tag}{word}':{place}")),
            }
        }
    }
    out
}

/// A question, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<Term>);

/// Words that must follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    words: Vec<String>,
    /// The last one may go on.
    prefix: bool,
}

impl Query {
    /// Reads what somebody typed: all words must be there, the last one may be its beginning only; what stands in
    /// quotes, or is written together like `63.2/2026-0815`, must stand together. `None` when there is no word in it.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let typed: String = typed.chars().take(QUESTION).collect();
        let mut terms: Vec<Term> = Vec::new();
        let quote = |c| matches!(c, '"' | '„' | '“' | '”' | '«' | '»');
        for (i, piece) in typed.split(quote).enumerate() {
            if i % 2 == 1 {
                terms.push(Term { words: words(piece), prefix: false });
            } else {
                terms.extend(piece.split_whitespace().map(|w| Term { words: words(w), prefix: false }));
            }
        }
        let quoted = typed.trim_end().ends_with(quote);
        terms.retain(|t| !t.words.is_empty());
        let mut count = 0;
        terms.retain(|t| {
            count += t.words.len();
            count <= ASKED
        });
        if let Some(last) = terms.last_mut().filter(|_| !quoted) {
            last.prefix = true;
        }
        (!terms.is_empty()).then_some(Self(terms))
    }

    /// The question in the language of its database.
    fn text(&self, tenant: TenantId, dialect: Dialect) -> String {
        let tag = tag(tenant);
        let term = |t: &Term| match dialect {
            Dialect::Sqlite => {
                let words: Vec<String> = t.words.iter().map(|w| format!("{tag}{w}")).collect();
                format!("\"{}\"{}", words.join(" "), if t.prefix { " *" } else { "" })
            }
            Dialect::Postgres => {
                let words: Vec<String> = t.words.iter().map(|w| format!("'{tag}{w}'")).collect();
                format!("({}{})", words.join(" <-> "), if t.prefix { ":*" } else { "" })
            }
        };
        let join = if dialect == Dialect::Sqlite { " AND " } else { " & " };
        self.0.iter().map(term).collect::<Vec<_>>().join(join)
    }
}

/// PostgreSQL only: what the policy of the table looks for.
const ASK: &str = "SELECT set_config('app.search', $1, true)";
const DOC_IN: &str = "INSERT INTO search (tenant_id, message_id) VALUES ($1, $2) RETURNING doc";
const WORDS_IN: &str = "INSERT INTO search_words (rowid, words) VALUES ($1, $2)";
const DOC_OUT: &str = "DELETE FROM search WHERE tenant_id = $1 AND message_id = $2";
const WORDS_OUT: &str = "DELETE FROM search_words WHERE rowid = (SELECT doc FROM search WHERE tenant_id = $1 AND message_id = $2)";

fn insert_sql(rows: usize) -> String {
    let rows: Vec<String> = (0..rows).map(|i| crate::bulk::list(3 * i + 1, 3)).collect();
    format!(
        "INSERT INTO search (tenant_id, message_id, words) SELECT v.tenant_id, v.message_id, CAST(v.words AS tsvector) \
         FROM (VALUES {}) AS v(tenant_id, message_id, words)",
        rows.join(", ")
    )
}

fn there(error: StoreError) -> StoreError {
    match error {
        StoreError::Database(error) => StoreError::from_insert(error, "search"),
        other => other,
    }
}

/// Makes messages findable.
///
/// # Errors
/// [`StoreError::Exists`] when one is already.
pub async fn insert(tx: &mut Tx, new: &[Entry]) -> Result<(), StoreError> {
    tx.allow_all(new.iter().map(|e| e.tenant))?;
    if tx.dialect() == Dialect::Postgres {
        let mut left = new;
        while !left.is_empty() {
            let (now, later) = left.split_at(step(left.len()));
            let values = now.iter().flat_map(|e| args![e.tenant, e.message, stored(e, Dialect::Postgres)]);
            tx.run_text(insert_sql(now.len()), values.collect()).await.map_err(there)?;
            left = later;
        }
        return Ok(());
    }
    for entry in new {
        let Some(row) = tx.one(DOC_IN, args![entry.tenant, entry.message]).await.map_err(there)? else {
            continue;
        };
        tx.run(WORDS_IN, args![int(&row, 0)?, stored(entry, Dialect::Sqlite)]).await?;
    }
    Ok(())
}

/// Takes a message out: it goes, or its words are made anew.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(tx: &mut Tx, tenant: TenantId, message: MessageId) -> Result<(), StoreError> {
    tx.allow(tenant)?;
    match tx.dialect() {
        Dialect::Sqlite => tx.run(WORDS_OUT, args![tenant, message]).await?,
        Dialect::Postgres => tx.run(ASK, args![format!("'{}'", tag(tenant))]).await?,
    };
    tx.run(DOC_OUT, args![tenant, message]).await?;
    Ok(())
}

/// Ready to be asked: the condition that a message is a hit, given the number of the next parameter. Its value, if it
/// takes one, goes to the end of `args`.
pub(crate) async fn ask(
    tx: &mut Tx,
    tenant: TenantId,
    query: &Query,
    args: &mut Vec<Value>,
) -> Result<String, StoreError> {
    let text = query.text(tenant, tx.dialect());
    let condition = matching(tx.dialect(), args.len() + 1);
    match tx.dialect() {
        Dialect::Sqlite => args.push(text.into()),
        Dialect::Postgres => {
            tx.run(ASK, args![text]).await?;
        }
    }
    Ok(condition)
}

pub(crate) fn matching(dialect: Dialect, next: usize) -> String {
    match dialect {
        // CROSS: else SQLite may ask the words anew for every message of the tenant.
        Dialect::Sqlite => format!(
            "id IN (SELECT d.message_id FROM search_words w CROSS JOIN search d ON d.doc = w.rowid \
             WHERE search_words MATCH ${next} AND d.tenant_id = $1)"
        ),
        Dialect::Postgres => "id IN (SELECT s.message_id FROM search s WHERE s.tenant_id = $1)".to_owned(),
    }
}

/// Hits of one tenant, newest first, older than `before`; with `within` only those that lie in one of its boxes or on
/// one of its desks.
///
/// # Errors
/// When the database does not answer.
pub async fn page(
    tx: &mut Tx,
    tenant: TenantId,
    query: &Query,
    within: Option<(&[MailboxId], &[DeskId])>,
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    tx.allow(tenant)?;
    let (sql, mut args) = lines::page_parts(tenant, within, before, limit);
    let hit = ask(tx, tenant, query, &mut args).await?;
    lines::run(tx, tenant, sql.replace("id < $2", &format!("id < $2 AND {hit}")), args).await
}

/// All statements of this module, for the test that prepares them.
pub(crate) fn built(dialect: Dialect) -> Vec<(String, String)> {
    let page = |within: usize, next: usize| {
        let sql =
            if within == 0 { crate::sql::MESSAGE_PAGE.to_owned() } else { lines::page_within_sql(within) };
        sql.replace("id < $2", &format!("id < $2 AND {}", matching(dialect, next)))
    };
    let mut all = vec![
        ("SEARCH_PAGE".to_owned(), page(0, 4)),
        ("SEARCH_PAGE_WITHIN".to_owned(), page(2, 8)),
        ("SEARCH_DOC_OUT".to_owned(), DOC_OUT.to_owned()),
    ];
    match dialect {
        Dialect::Sqlite => {
            let own =
                [("SEARCH_DOC_IN", DOC_IN), ("SEARCH_WORDS_IN", WORDS_IN), ("SEARCH_WORDS_OUT", WORDS_OUT)];
            all.extend(own.map(|(name, sql)| (name.to_owned(), sql.to_owned())));
        }
        Dialect::Postgres => {
            all.push(("SEARCH_ASK".to_owned(), ASK.to_owned()));
            all.extend(STEPS.map(|rows| (format!("SEARCH_IN {rows}"), insert_sql(rows))));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        assert_eq!(
            words("Müller-Lüdenscheidt & SÖHNE, Straße"),
            ["mueller", "luedenscheidt", "soehne", "strasse"]
        );
        assert_eq!(words("Mu\u{308}ller ﬁn Café ÇA Éa ½"), ["mueller", "fin", "cafe", "ca", "ea", "1", "2"]);
        assert_eq!(words("63.2/2026-0815; a_b@c.de"), ["63", "2", "2026", "0815", "a", "b", "c", "de"]);
        assert_eq!(words(" \0 -- '' \u{202e} "), Vec::<String>::new());
        assert_eq!(words(&"ä".repeat(100))[0].chars().count(), WORD);
        assert_eq!(words(&"x ".repeat(WORDS + 9)).len(), WORDS);
    }

    #[test]
    fn what_is_typed_is_never_syntax() {
        let tenant = TenantId::SYSTEM;
        for typed in
            ["a' | b:* <-> !c & (d)", "\"a\" OR b NEAR(c) NOT d* ^e", "x'); DROP TABLE search; --", "\\\\'a"]
        {
            let query = Query::parse(typed).unwrap();
            for (dialect, own) in [(Dialect::Sqlite, "\" *AND"), (Dialect::Postgres, "'() &:*<->")] {
                let text = query.text(tenant, dialect).replace(&tag(tenant), "");
                let odd = text
                    .replace(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || own.contains(c), "");
                assert_eq!(odd, "", "{typed}: {text}");
                assert_eq!(text.matches('\'').count() % 2 + text.matches('"').count() % 2, 0, "{text}");
            }
        }
        for nothing in ["", "  ", "\"\"", "%_-*", "'"] {
            assert_eq!(Query::parse(nothing), None, "{nothing}");
        }
        assert!(Query::parse(&"a ".repeat(9999)).unwrap().0.len() <= ASKED);
    }

    #[test]
    fn only_the_last_word_may_go_on() {
        let ends = |typed| -> Vec<bool> { Query::parse(typed).unwrap().0.iter().map(|t| t.prefix).collect() };
        assert_eq!(ends("alte Hecke"), [false, true]);
        assert_eq!(ends("alte \"hohe Hecke\""), [false, false]);
        assert_eq!(ends("„hohe Hecke“ alt"), [false, true]);
        assert_eq!(ends("63.2/2026"), [true]);
    }
}
