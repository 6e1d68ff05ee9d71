// SPDX-License-Identifier: EUPL-1.2
//! A tenant moves to another installation: all messages by hash, all chains verify.

use std::path::Path;

use poststelle_model::{Subject, Timestamp};
use poststelle_store::{Scope, evidence, tenants};

use crate::place::{self, Kind, Place};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn phrase(place: &Place, words: &str) -> String {
    let path = place.path(&format!("phrase-{}", words.len()));
    std::fs::write(&path, format!("{words}\n")).unwrap();
    text(&path).to_owned()
}

async fn nothing_there(place: &Place, tenant: poststelle_model::TenantId) {
    let db = place.db().await;
    let mut tx = db.read(Scope::System).await.unwrap();
    assert!(tenants::get(&mut tx, tenant).await.unwrap().is_none());
    assert!(place.blobs().list(&tenant.to_string()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_moves_with_all_mail_and_proofs() {
    for (from, to) in place::kinds().into_iter().zip(place::kinds().into_iter().rev()) {
        let (source, target) = (Place::founded(from).await, Place::founded(to).await);
        let hub = source.hub().await;
        let (tenant, mailbox) = place::tenant(&hub, "adorf").await;
        let (stays, other_box) = place::tenant(&hub, "bdorf").await;
        let mut sent = place::mail(&hub, tenant, mailbox, 0, 15).await;
        place::mail(&hub, stays, other_box, 0, 2).await;

        let good = phrase(&source, "ein langer Satz für den Umzug");
        let file = source.path("adorf.export");
        let export = ["tenant", "export", "adorf", text(&file), "--passphrase-file", &good];
        assert!(source.refused(&["tenant", "export", "adorf", text(&file)]).contains("Passwortsatz"));
        let short = phrase(&source, "kurz");
        let words = source.refused(&["tenant", "export", "adorf", text(&file), "--passphrase-file", &short]);
        assert!(words.contains("weniger als"), "{words}");
        assert!(
            source
                .refused(&["tenant", "export", "cdorf", text(&file), "--passphrase-file", &good])
                .contains("cdorf")
        );
        let told = source.json(&export);
        assert_eq!(told["report"]["blobs"], 15);
        assert!(source.refused(&export).contains("gibt es schon"), "no file is overwritten");
        assert!(!String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("erika@example.org"));

        let wrong = phrase(&source, "ein anderer langer Satz als jener");
        let words = target.refused(&["tenant", "import", text(&file), "--passphrase-file", &wrong]);
        assert!(words.contains("öffnet die Datei nicht"), "{words}");
        let changed = source.path("changed.export");
        let mut octets = std::fs::read(&file).unwrap();
        let at = octets.len() * 3 / 4;
        octets[at] ^= 1;
        std::fs::write(&changed, &octets).unwrap();
        let words = target.refused(&["tenant", "import", text(&changed), "--passphrase-file", &good]);
        assert!(words.contains("nicht so, wie sie geschrieben wurde"), "{words}");
        std::fs::write(&changed, &octets[..at]).unwrap();
        target.refused(&["tenant", "import", text(&changed), "--passphrase-file", &good]);
        nothing_there(&target, tenant).await;
        let words = source.refused(&["tenant", "import", text(&file), "--passphrase-file", &good]);
        assert!(words.contains("gibt es hier schon") && words.contains("adorf"), "{words}");

        let told = target.json(&["tenant", "import", text(&file), "--passphrase-file", &good]);
        assert_eq!((told["tenant"].as_str(), told["report"]["blobs"].as_i64()), (Some("adorf"), Some(15)));
        assert_eq!(target.json(&["verify"])["ok"], true);
        assert_eq!(target.json(&["balance"])["ok"], true);
        assert_eq!(target.json(&["message", "list", "adorf"]).as_array().unwrap().len(), 15);
        assert!(
            target
                .refused(&["tenant", "import", text(&file), "--passphrase-file", &good])
                .contains("gibt es hier schon")
        );
        let there = target.hub().await;
        place::all_there(&there, tenant, &sent).await;
        // Both houses say in the tenant's own chain what happened.
        let mut tx = there.db().read(Scope::System).await.unwrap();
        let chain = evidence::chain(&mut tx, tenant, &Subject::tenant(tenant)).await.unwrap();
        let fields: Vec<String> = chain
            .iter()
            .filter_map(|e| {
                serde_json::from_str::<serde_json::Value>(&e.body).unwrap()["field"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(fields, ["export", "installation"]);
        drop(tx);
        // Mail goes on at the new place, in the same chains and the same log.
        sent.extend(place::mail(&there, tenant, mailbox, 50, 3).await);
        place::all_there(&there, tenant, &sent).await;
        assert_eq!(target.json(&["verify"])["ok"], true);
        assert_eq!(target.json(&["balance"])["ok"], true);
        assert_eq!(source.json(&["verify"])["ok"], true, "the source lost nothing");
    }
}

/// A house whose proofs do not fit hands nothing on unnoticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_that_do_not_fit_are_not_taken_in() {
    let (source, target) = (Place::founded(Kind::Sqlite).await, Place::founded(Kind::Sqlite).await);
    let hub = source.hub().await;
    let (tenant, mailbox) = place::tenant(&hub, "adorf").await;
    place::mail(&hub, tenant, mailbox, 0, 2).await;
    let mut tx = hub.db().begin(Scope::Tenant(tenant)).await.unwrap();
    let forged = evidence::Entry {
        tenant,
        subject: Subject::rules(tenant),
        n: 0,
        event: "Changed".to_owned(),
        at: Timestamp(1_795_000_000_000_000),
        who: "house:nobody".to_owned(),
        envelope: "{}".to_owned(),
        body: String::new(),
        hash: "0".repeat(64),
        pos: -1,
    };
    evidence::insert(&mut tx, &[forged]).await.unwrap();
    tx.commit().await.unwrap();
    let good = phrase(&source, "ein langer Satz für den Umzug");
    let file = source.path("adorf.export");
    source.fine(&["tenant", "export", "adorf", text(&file), "--passphrase-file", &good]);
    let words = target.refused(&["tenant", "import", text(&file), "--passphrase-file", &good]);
    assert!(words.contains("Nachweise passen nicht") && words.contains("nichts wurde übernommen"), "{words}");
    nothing_there(&target, tenant).await;
}
