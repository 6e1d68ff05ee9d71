// SPDX-License-Identifier: EUPL-1.2
//! A tenant moves between installations, from each database and blob store to each other.

use std::sync::Arc;
use std::time::Duration;

use poststelle_crypto::keys::{MessageKey, RootKey};
use poststelle_model::part::Encoding;
use poststelle_model::people::{Grant, Place};
use poststelle_model::{
    AdministrationId, AlarmId, BlobId, ChannelKind, ConnectorId, DeliveryId, DeskState, Fault, JobId,
    MailboxId, MessageId, NoteId, Part, PrincipalId, Reason, ReceiptId, Role, Rule, RuleId, Standing,
    Subject, TenantId, Timestamp,
};
use poststelle_store::access::{self, Principal};
use poststelle_store::blob::{self, BlobReader, BlobStore, BlobWriter};
use poststelle_store::drafts::{DraftWrite, Piece};
use poststelle_store::keys::Keys;
use poststelle_store::messages::{self, Inspection, Receipt};
use poststelle_store::tenants::{self, Connector};
use poststelle_store::transfer::{self, Export, Import, Pending, TransferError};
use poststelle_store::{Scope, desk, evidence, inspection, jobs, quarantine, rules, text_blocks};
use sqlx::{AnyPool, AssertSqlSafe, Column, Row, TypeInfo, ValueRef};

use crate::bed::{self, Bed, THEN, TestIds};
use crate::drafts;

const PHRASE: &str = "ein langer Satz für den Umzug";

struct House {
    bed: Bed,
    blobs: Arc<dyn BlobStore>,
    keys: Keys,
    _dir: Option<tempfile::TempDir>,
}

/// A house for each database, on each blob store in turn.
async fn houses() -> Vec<House> {
    let mut all = Vec::new();
    for (i, bed) in bed::databases().await.into_iter().enumerate() {
        let mut shelves = bed::shelves();
        let shelf = shelves.remove(i.min(shelves.len() - 1));
        let keys = Keys::new(Arc::new(RootKey::generate().unwrap()));
        all.push(House { bed, blobs: shelf.store, keys, _dir: shelf.dir });
    }
    all
}

/// A transaction past the functions of the store, with the scope of the house.
async fn raw(house: &House) -> sqlx::Transaction<'static, sqlx::Any> {
    let mut tx = AnyPool::connect(&house.bed.url).await.unwrap().begin().await.unwrap();
    if house.bed.name == "postgres" {
        sqlx::query("SELECT set_config('app.tenant', '*', true)").execute(&mut *tx).await.unwrap();
    }
    tx
}

/// A tenant with something in every table.
async fn furnish(house: &House, slug: &str) -> (TenantId, Vec<(MessageId, Vec<u8>)>) {
    let db = &house.bed.db;
    let (tenant, mailbox, desk_id) = bed::tenant(db, slug).await;
    let (key, wrapped) = house.keys.create_tenant(tenant).unwrap();
    let mut tx = raw(house).await;
    let update = format!("UPDATE tenants SET wrapped_key = '{wrapped}' WHERE id = '{tenant}'");
    assert_eq!(sqlx::query(AssertSqlSafe(update)).execute(&mut *tx).await.unwrap().rows_affected(), 1);
    tx.commit().await.unwrap();
    let administration = AdministrationId::new(&TestIds);
    let person = PrincipalId::new(&TestIds);
    let mut tx = db.begin(Scope::System).await.unwrap();
    tenants::insert_administration(&mut tx, administration, "amt-seen", "Amt Seen", THEN).await.unwrap();
    tenants::give_mandate(&mut tx, tenant, administration, THEN).await.unwrap();
    tenants::insert_address(&mut tx, ChannelKind::Mail, &format!("post@{slug}.example"), tenant, mailbox)
        .await
        .unwrap();
    let account = Principal {
        id: person,
        login: format!("clerk-{slug}"),
        kind: "person".to_owned(),
        name: "Erika Muster".to_owned(),
        administration: Some(administration),
        password_hash: "$argon2id$geheim".to_owned(),
        active: true,
        failures: 0,
        locked_until: Timestamp(0),
        must_change: false,
        wrapped_totp: String::new(),
    };
    access::insert(&mut tx, &account, THEN).await.unwrap();
    access::grant(&mut tx, person, Grant { role: Role::Clerk, place: Place::Tenant { tenant } })
        .await
        .unwrap();
    let connector = Connector {
        tenant,
        id: ConnectorId::new(&TestIds),
        kind: "hot_folder".to_owned(),
        name: "Fachverfahren".to_owned(),
        config: "{\"path\":\"/nirgends\"}".to_owned(),
        wrapped_secret: key.seal_secret("connector", b"secret").unwrap(),
        active: true,
        version: 1,
    };
    tenants::insert_connector(&mut tx, &connector).await.unwrap();
    let rule = Rule {
        tenant,
        id: RuleId::new(&TestIds),
        position: 1,
        name: "Alles".to_owned(),
        condition: "true".to_owned(),
        actions: vec![],
        active: true,
        version: 1,
    };
    tenants::put_rule(&mut tx, &rule).await.unwrap();
    let set = rules::RuleSet {
        two_persons: true,
        draft: Some(vec![rule.clone()]),
        changed_by: Some(person),
        version: 1,
        ..rules::set(&mut tx, tenant).await.unwrap()
    };
    rules::put_set(&mut tx, &set).await.unwrap();
    let release = rules::Release {
        tenant,
        version: 1,
        rules: vec![rule],
        released_by: format!("principal:{person}"),
        proposed_by: Some(person),
        released_at: THEN,
    };
    rules::insert_release(&mut tx, &release).await.unwrap();
    tx.commit().await.unwrap();

    let mut sent = Vec::new();
    for (i, size) in [0usize, 10, 70_000, 3 << 20].into_iter().chain([5; 117]).enumerate() {
        let plain: Vec<u8> = (0..size).map(|b| (b * 7 + i) as u8).collect();
        let mut new = bed::message(tenant, mailbox, &format!("f-{i}"), "");
        let id = new.message.id;
        let (message_key, wrapped) = house.keys.create_message(&key, tenant, id).unwrap();
        let blob_key = message_key.derive_blob_key(new.message.blob.uuid().as_bytes()).unwrap();
        let name = blob::name(tenant, id, new.message.blob);
        let mut writer = BlobWriter::create(&house.blobs, &name, &blob_key).await.unwrap();
        writer.push(&plain).await.unwrap();
        let (len, digests) = writer.finish().await.unwrap();
        new.wrapped_key = wrapped;
        new.message.size = i64::try_from(len).unwrap();
        new.message.sha256 = digests.sha256_hex();
        let delivery = bed::delivery(tenant, id, desk_id);
        let subject = Subject::message(id);
        let claimed = Standing { state: DeskState::Claimed, owner: Some(person), due_at: Timestamp(0) };
        let item = desk::DeskItem {
            standing: claimed,
            urgent: i == 3,
            changed_by: Some(person),
            before: Some(Standing::NEW),
            ..bed::item(tenant, delivery.id, desk_id, id)
        };
        let receipt = Receipt {
            tenant,
            id: ReceiptId::new(&TestIds),
            message: id,
            delivery: DeliveryId::new(&TestIds),
            kind: "dsn".to_owned(),
            carried_by: None,
            body: "Zugestellt 😀\n\"\\".to_owned(),
            created_at: THEN,
        };
        let mut first = bed::entry(tenant, &subject, 0);
        first.who = format!("principal:{person}");
        let mut tx = db.begin(Scope::Tenant(tenant)).await.unwrap();
        messages::insert(&mut tx, &[new]).await.unwrap();
        let inspection = Inspection { version: 1, subject: format!("Größe {i}"), ..Inspection::default() };
        messages::insert_inspections(&mut tx, &[(tenant, id, inspection)]).await.unwrap();
        let part = Part {
            n: 0,
            parent: -1,
            path: "1".to_owned(),
            leaf: true,
            blob: None,
            header: -1,
            start: 0,
            len: 5,
            encoding: Encoding::parse("8bit"),
            declared: "text/plain".to_owned(),
            detected: String::new(),
            charset: String::new(),
            raw_name: "Gr\u{f6}\u{308}\u{fffd}".to_owned(),
            name: "x".to_owned(),
            disposition: String::new(),
            size: 5,
            sha256: "s".to_owned(),
            defects: vec![],
        };
        messages::insert_parts(&mut tx, &[(tenant, id, vec![part.clone(), Part { n: 1, ..part }])])
            .await
            .unwrap();
        messages::insert_deliveries(&mut tx, &[delivery]).await.unwrap();
        messages::insert_receipts(&mut tx, &[receipt]).await.unwrap();
        desk::insert(&mut tx, &[item]).await.unwrap();
        let note = desk::Note {
            id: NoteId::new(&TestIds),
            by: person,
            text: "Ein Vermerk".to_owned(),
            created_at: THEN,
        };
        desk::add_note(&mut tx, tenant, id, &note).await.unwrap();
        evidence::insert(&mut tx, &[first, bed::entry(tenant, &subject, 1)]).await.unwrap();
        if i == 5 {
            let won = put_inspected(house, tenant, id, &message_key, person).await;
            inspection::insert_derived(&mut tx, &won.derived).await.unwrap();
            inspection::insert_sheets(&mut tx, &won.sheets).await.unwrap();
            inspection::insert_findings(&mut tx, &won.findings).await.unwrap();
            quarantine::insert(&mut tx, &won.holds).await.unwrap();
        }
        tx.enter(Scope::System).await.unwrap();
        let now = tx.now().await.unwrap();
        jobs::insert(&mut tx, now, &[bed::job(tenant, "process", &id.to_string(), Duration::ZERO)])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        sent.push((id, plain));
    }
    put_draft(house, tenant, mailbox, person).await;
    let mut tx = db.begin(Scope::System).await.unwrap();
    jobs::claim(&mut tx, &jobs::lane(tenant, "process"), "held", Duration::from_secs(60), 5).await.unwrap();
    let places: Vec<_> =
        evidence::open(&mut tx, tenant, 100).await.unwrap().into_iter().map(|o| (o.0, o.1)).collect();
    evidence::place(&mut tx, tenant, 0, &places).await.unwrap();
    let c = evidence::Checkpoint {
        size: 100,
        root: "r".to_owned(),
        frontier: "f".to_owned(),
        note: "n\nm\n".to_owned(),
        fence: 7,
        created_at: THEN,
    };
    evidence::insert_checkpoint(&mut tx, tenant, &c).await.unwrap();
    let reason = Reason::new("PST-HUB-0004", Fault::Operator);
    evidence::raise_alarm(&mut tx, tenant, AlarmId::new(&TestIds), "x", &reason, THEN).await.unwrap();
    tx.commit().await.unwrap();
    (tenant, sent)
}

/// A draft with an attachment of two pieces.
async fn put_draft(house: &House, tenant: TenantId, mailbox: MailboxId, owner: PrincipalId) {
    let key = house.keys.tenant(&house.bed.db, tenant).await.unwrap();
    let draft = drafts::example(tenant, mailbox, owner);
    let part = drafts::attachment("Plan.pdf");
    let mut writes =
        vec![DraftWrite::Insert(draft.clone()), DraftWrite::Attach(tenant, draft.id, part.clone())];
    for start in [0, 15] {
        let id = poststelle_model::BlobId::new(&TestIds);
        let (own, wrapped) = house.keys.create_message(&key, tenant, Piece::owner(id)).unwrap();
        let own = own.derive_blob_key(id.uuid().as_bytes()).unwrap();
        let mut writer = BlobWriter::create(&house.blobs, &Piece::name(tenant, id), &own).await.unwrap();
        writer.push(&[7; 15]).await.unwrap();
        let sha256 = writer.finish().await.unwrap().1.sha256_hex();
        writes.push(DraftWrite::Append(tenant, part.id, Piece { id, start, size: 15, sha256, wrapped }));
    }
    let mut tx = house.bed.db.begin(Scope::Tenant(tenant)).await.unwrap();
    for write in &writes {
        poststelle_store::drafts::apply(&mut tx, write).await.unwrap();
    }
    text_blocks::insert(&mut tx, tenant, &crate::text_blocks::block("Eingang", owner)).await.unwrap();
    tx.commit().await.unwrap();
}

/// A message whose inspection won octets from its parts three times and holds one part back.
async fn put_inspected(
    house: &House,
    tenant: TenantId,
    message: MessageId,
    key: &MessageKey,
    person: PrincipalId,
) -> crate::inspection::Inspected {
    let mut all = crate::inspection::inspected(tenant, message, person);
    for part in 0..3 {
        let id = BlobId::new(&TestIds);
        let blob_key = key.derive_blob_key(id.uuid().as_bytes()).unwrap();
        let mut writer =
            BlobWriter::create(&house.blobs, &blob::name(tenant, message, id), &blob_key).await.unwrap();
        writer.push(b"entschluesselt").await.unwrap();
        let (size, digests) = writer.finish().await.unwrap();
        let derived = inspection::Derived {
            blob: id,
            part,
            size: i64::try_from(size).unwrap(),
            sha256: digests.sha256_hex(),
            created_at: THEN,
        };
        all.derived.push((tenant, message, derived));
    }
    all
}

async fn export(house: &House, tenant: TenantId) -> (transfer::Report, Vec<u8>) {
    let what = Export {
        tenant,
        id: JobId::new(&TestIds).to_string(),
        at: THEN,
        program: "test",
        passphrase: PHRASE,
    };
    let (report, file) =
        transfer::export(&house.bed.db, &house.blobs, &house.keys, &what, Vec::new(), &mut |_, _| {})
            .await
            .unwrap();
    (report, file)
}

fn target<'h>(house: &'h House, passphrase: &'h str) -> Import<'h> {
    Import { db: &house.bed.db, blobs: &house.blobs, keys: &house.keys, passphrase, holder: "test" }
}

async fn import(house: &House, passphrase: &str, file: &[u8]) -> Result<Pending, TransferError> {
    transfer::import(&target(house, passphrase), file, &mut |_, _| {}).await
}

/// All rows of a table as text, in order.
async fn dump(house: &House, table: &str, tenant: TenantId) -> Vec<String> {
    let mut tx = raw(house).await;
    let key = if table == "tenants" { "id" } else { "tenant_id" };
    let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table} WHERE {key} = '{tenant}'")))
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    let mut all: Vec<String> = rows
        .iter()
        .map(|row| {
            let value = |i: usize| {
                let number = row.try_get_raw(i).unwrap().type_info().name() != "TEXT";
                if number { row.get::<i64, _>(i).to_string() } else { row.get::<String, _>(i) }
            };
            let skip = ["wrapped_key", "active", "lease_token"];
            row.columns()
                .iter()
                .enumerate()
                .filter(|(_, c)| {
                    !(skip.contains(&c.name()) && ["tenants", "connectors", "jobs"].contains(&table))
                })
                .map(|(i, c)| format!("{}={}", c.name(), value(i)))
                .collect::<Vec<_>>()
                .join(" | ")
        })
        .collect();
    all.sort();
    all
}

async fn is_empty(house: &House, tenant: TenantId) {
    let mut tx = house.bed.db.read(Scope::System).await.unwrap();
    assert!(tenants::get(&mut tx, tenant).await.unwrap().is_none(), "{}", house.bed.name);
    drop(tx);
    for table in ["messages", "evidence", "addresses", "jobs"] {
        assert!(dump(house, table, tenant).await.is_empty(), "{} {table}", house.bed.name);
    }
    assert!(
        house.blobs.list(&tenant.to_string()).await.unwrap().is_empty(),
        "{}: blobs stayed",
        house.bed.name
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives() {
    let (sources, targets) = (houses().await, houses().await);
    for (n, source) in sources.iter().enumerate() {
        for (m, to) in targets.iter().enumerate() {
            let slug = format!("seen-{n}{m}");
            // Each in turn: a second Administration of the same short name is the same one at the target.
            let source = if m == 0 { source } else { &houses().await.remove(n) };
            let (tenant, sent) = furnish(source, &slug).await;
            let (report, file) = export(source, tenant).await;
            assert_eq!((report.blobs, report.damaged.len()), (126, 0));
            assert_eq!(report.rows["messages"], 121);
            assert_eq!(
                report.grants,
                [[
                    format!("clerk-{slug}"),
                    "Erika Muster".to_owned(),
                    "clerk".to_owned(),
                    "tenant".to_owned()
                ]]
            );
            // Nothing of it can be read without the passphrase.
            let raw = String::from_utf8_lossy(&file);
            for secret in ["Größe", "Erika", "post@", "amt-seen", "geheim", &slug] {
                assert!(!raw.contains(secret), "{secret} is readable in the file");
            }

            let pending = import(to, PHRASE, &file).await.unwrap();
            // Not visible yet.
            let mut look = to.bed.db.read(Scope::System).await.unwrap();
            assert!(tenants::get(&mut look, tenant).await.unwrap().is_none());
            drop(look);
            assert_eq!((pending.slug.as_str(), pending.tenant), (slug.as_str(), tenant));
            let arrived = pending.commit().await.unwrap();
            assert_eq!(arrived, report);

            // Roles and tokens are given anew at the target, and the search is made anew from the mail.
            let travels = |table: &&&str| !["grants", "tokens", "search"].contains(*table);
            for table in poststelle_store::sql::TENANT_TABLES.iter().filter(travels).chain(&["tenants"]) {
                let (there, here) = (dump(source, table, tenant).await, dump(to, table, tenant).await);
                assert!(!there.is_empty(), "{table} is not tested");
                if *table == "mandates" {
                    assert_eq!(there.len(), here.len());
                } else {
                    assert_eq!(there, here, "{table} from {} to {}", source.bed.name, to.bed.name);
                }
            }
            let key = to.keys.tenant(&to.bed.db, tenant).await.unwrap();
            let mut tx = to.bed.db.begin(Scope::System).await.unwrap();
            for (id, plain) in &sent {
                let message = messages::get(&mut tx, tenant, *id).await.unwrap().unwrap();
                let wrapped = messages::wrapped_key(&mut tx, tenant, *id).await.unwrap().unwrap();
                let blob_key = Keys::blob_key(&key, tenant, *id, &wrapped, message.blob).unwrap();
                let name = blob::name(tenant, *id, message.blob);
                let mut reader =
                    BlobReader::open(to.blobs.clone(), name, &blob_key, plain.len() as u64).await.unwrap();
                assert!(reader.range(0..plain.len() as u64).await.unwrap() == *plain);
            }
            let connector = tenants::connectors(&mut tx, tenant).await.unwrap().remove(0);
            assert!(!connector.active, "folders of another house are not written to");
            assert_eq!(
                key.open_secret("connector", &connector.wrapped_secret).unwrap().as_slice(),
                b"secret"
            );
            let mandate = tenants::mandates(&mut tx, tenant).await.unwrap().remove(0);
            assert_eq!(mandate.name, "Amt Seen");
            // Names stay readable, accounts do not come along.
            let mut there = source.bed.db.read(Scope::System).await.unwrap();
            let person = access::by_login(&mut there, &format!("clerk-{slug}")).await.unwrap().unwrap().id;
            drop(there);
            let names = access::names(&mut tx, &[person]).await.unwrap();
            assert_eq!(names[&person], "Erika Muster");
            let account = access::by_id(&mut tx, person).await.unwrap().unwrap();
            assert!(!account.active && account.password_hash.is_empty());
            assert!(access::by_login(&mut tx, &format!("clerk-{slug}")).await.unwrap().is_none());
            // The jobs of the other house's workers are free, and the log goes on with a greater fence.
            let lease =
                jobs::take_lease(&mut tx, &format!("sequencer:{tenant}"), "me", Duration::from_secs(9))
                    .await
                    .unwrap();
            assert!(lease.unwrap().fence > 7);
            let mut free = 0;
            tx.commit().await.unwrap();
            let later = Arc::new(poststelle_model::ManualClock::new(Timestamp(i64::MAX / 8)));
            let db = to.bed.db.clone().with_clock(later);
            let mut tx = db.begin(Scope::System).await.unwrap();
            free += jobs::claim(&mut tx, &jobs::lane(tenant, "process"), "t", Duration::ZERO, 1000)
                .await
                .unwrap()
                .len();
            assert_eq!(free, 121);
            tx.rollback().await.unwrap();

            // Once is enough.
            let again = import(to, PHRASE, &file).await.err();
            assert!(matches!(&again, Some(TransferError::Exists(what)) if what.contains(&slug)), "{again:?}");
            let mut tx = to.bed.db.read(Scope::System).await.unwrap();
            assert!(messages::exists(&mut tx, tenant, sent[0].0).await.unwrap());
            assert_eq!(
                to.blobs.list(&tenant.to_string()).await.unwrap().len(),
                126,
                "the refusal took nothing away"
            );
        }
    }
}

/// Offsets of the entries' heads in the file: (name, from, to).
fn entries(file: &[u8]) -> Vec<(String, usize, usize)> {
    let (mut at, mut all) = (0, Vec::new());
    while file[at] != 0 {
        let header = tar::Header::from_byte_slice(&file[at..at + 512]);
        let size = usize::try_from(header.entry_size().unwrap()).unwrap();
        let end = at + 512 + size.div_ceil(512) * 512;
        all.push((String::from_utf8_lossy(&header.path_bytes()).into_owned(), at, end));
        at = end;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_is_refused_and_leaves_nothing() {
    let source = houses().await.remove(0);
    let (tenant, _) = furnish(&source, "seen").await;
    let (_, file) = export(&source, tenant).await;
    let parts = entries(&file);
    assert_eq!(parts[0].0, "manifest.json");
    assert_eq!(parts.last().unwrap().0, "end");
    let mut bad: Vec<(String, Vec<u8>)> = Vec::new();
    let find = |name: &str| parts.iter().find(|p| p.0.starts_with(name)).unwrap().clone();
    for name in ["tables/tenants", "index/", "blobs/", "tables/evidence", "tables/jobs", "end"] {
        let (_, from, to) = find(name);
        let mut changed = file.clone();
        changed[from + 512 + 20] ^= 1;
        bad.push((format!("{name} changed"), changed));
        let missing = [&file[..from], &file[to..]].concat();
        bad.push((format!("{name} left out"), missing));
        bad.push((format!("cut within {name}"), file[..from + 512 + 10].to_vec()));
    }
    let (_, a, b) = find("index/000001");
    let (_, c, d) = find("index/000002");
    bad.push((
        "index exchanged".to_owned(),
        [&file[..a], &file[c..d], &file[b..c], &file[a..b], &file[d..]].concat(),
    ));
    let (_, a, b) = find("tables/rules");
    bad.push(("rules twice".to_owned(), [&file[..b], &file[a..b], &file[b..]].concat()));
    let mut manifest = file.clone();
    let at = String::from_utf8_lossy(&file).find("\"created\": \"2").unwrap() + 12;
    manifest[at] = b'3';
    bad.push(("manifest changed".to_owned(), manifest));
    for to in houses().await {
        // The way through the file is the same on every database.
        let step = if to.bed.name == "sqlite" { 1 } else { 5 };
        for (what, file) in bad.iter().step_by(step) {
            let result = import(&to, PHRASE, file).await.err();
            assert!(matches!(result, Some(TransferError::Damaged(_))), "{}: {what}: {result:?}", to.bed.name);
        }
        is_empty(&to, tenant).await;
        let wrong = import(&to, "ein anderer Satz als dieser", &file).await.err();
        assert!(matches!(wrong, Some(TransferError::Passphrase)), "{wrong:?}");
        let other = import(&to, PHRASE, &[b'x'; 2000]).await.err();
        assert!(matches!(other, Some(TransferError::Damaged(_) | TransferError::Format(_))), "{other:?}");
        let newer = String::from_utf8_lossy(&file[..parts[0].2]).replace("\"version\": 1", "\"version\": 9");
        let newer = import(&to, PHRASE, &[newer.as_bytes(), &file[parts[0].2..]].concat()).await.err();
        assert!(matches!(&newer, Some(TransferError::Format(why)) if why.contains('9')), "{newer:?}");
        is_empty(&to, tenant).await;
        // Taken back by the caller, after everything was written.
        let pending = import(&to, PHRASE, &file).await.unwrap();
        pending.abort(&target(&to, PHRASE)).await.unwrap();
        is_empty(&to, tenant).await;
        // And after all that the whole file still goes in.
        import(&to, PHRASE, &file).await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_at_the_target_is_named() {
    let source = houses().await.remove(0);
    let (tenant, _) = furnish(&source, "seen").await;
    let (_, file) = export(&source, tenant).await;
    for to in houses().await {
        let (other, mailbox, _) = bed::tenant(&to.bed.db, "andere").await;
        let mut tx = to.bed.db.begin(Scope::System).await.unwrap();
        tenants::insert_address(&mut tx, ChannelKind::Mail, "post@seen.example", other, mailbox)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let result = import(&to, PHRASE, &file).await.err();
        let Some(TransferError::Exists(what)) = &result else { panic!("{result:?}") };
        assert!(what.contains("post@seen.example") && what.contains("andere"), "{what}");
        is_empty(&to, tenant).await;
        bed::tenant(&to.bed.db, "seen").await;
        let result = import(&to, PHRASE, &file).await.err();
        assert!(
            matches!(&result, Some(TransferError::Exists(what)) if what.contains("short name")),
            "{result:?}"
        );
        is_empty(&to, tenant).await;
        // While one import runs another waits for its turn.
        let mut tx = to.bed.db.begin(Scope::System).await.unwrap();
        let name = format!("import:{tenant}");
        jobs::take_lease(&mut tx, &name, "another", Duration::from_secs(60)).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert!(matches!(import(&to, PHRASE, &file).await.err(), Some(TransferError::Busy)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_blob_does_not_hold_the_others_back() {
    for source in houses().await {
        let (tenant, sent) = furnish(&source, "seen").await;
        let listed = source.blobs.list(&tenant.to_string()).await.unwrap();
        let of =
            |id: MessageId| listed.iter().find(|l| l.name.contains(&id.to_string())).unwrap().name.clone();
        source.blobs.delete(&of(sent[1].0)).await.unwrap();
        // Another blob under this one's name.
        let foreign = MessageKey::generate().unwrap().derive_blob_key(b"x").unwrap();
        source.blobs.delete(&of(sent[2].0)).await.unwrap();
        let mut writer = BlobWriter::create(&source.blobs, &of(sent[2].0), &foreign).await.unwrap();
        writer.push(&sent[2].1).await.unwrap();
        writer.finish().await.unwrap();
        let (report, file) = export(&source, tenant).await;
        assert_eq!((report.damaged.as_slice(), report.blobs), ([sent[1].0, sent[2].0].as_slice(), 124));
        let to = houses().await.remove(0);
        let arrived = import(&to, PHRASE, &file).await.unwrap().commit().await.unwrap();
        assert_eq!(
            arrived, report,
            "the message, its proof and the loss of its octets are known at the target"
        );
    }
    let source = houses().await.remove(0);
    let (tenant, _) = furnish(&source, "seen").await;
    let what = Export { tenant, id: "x".to_owned(), at: THEN, program: "test", passphrase: "kurz" };
    let short =
        transfer::export(&source.bed.db, &source.blobs, &source.keys, &what, Vec::new(), &mut |_, _| {})
            .await;
    assert!(matches!(short.err(), Some(TransferError::ShortPassphrase)));
}
