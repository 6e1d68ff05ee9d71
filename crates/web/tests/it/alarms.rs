// SPDX-License-Identifier: EUPL-1.2
//! Alarms on the operator's page: which a person ends, which end by themselves, and in which words.

use axum::http::StatusCode;
use poststelle_hub::clock::SystemIds;
use poststelle_model::{AlarmId, Event, Fault, Reason, Subject, TenantId};
use poststelle_store::{Scope, evidence};

use crate::bed::Bed;

async fn raise(bed: &Bed, topic: &str, reason: &Reason) -> AlarmId {
    let id = AlarmId::new(&SystemIds);
    let mut tx = bed.hub.db().begin(Scope::System).await.unwrap();
    evidence::raise_alarm(&mut tx, TenantId::SYSTEM, id, topic, reason, bed.hub.clock().now()).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn open(bed: &Bed) -> Vec<String> {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    evidence::open_alarms(&mut tx).await.unwrap().into_iter().map(|a| a.topic).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_takes_note_of_a_restore() {
    let bed = Bed::new().await;
    let restored = Reason::new("PST-HUB-0007", Fault::Operator).with("at", "2. März 2026");
    let restored = raise(&bed, "restored", &restored).await;
    let counted =
        raise(&bed, "balance", &Reason::new("PST-HUB-0004", Fault::Operator).with("count", 1)).await;
    let (operator, csrf) = bed.session(bed.operator).await;
    let (clerk, clerk_csrf) = bed.session(bed.a.clerk).await;
    let path = |id: AlarmId| format!("/betrieb/alarme/{id}/kenntnis");
    let html = bed.see("/betrieb", &operator).await.text();
    assert!(html.contains("Aus einer Datensicherung wiederhergestellt"), "{html}");
    assert_eq!(html.matches("Zur Kenntnis genommen").count(), 1);
    assert!(html.contains(&path(restored)) && !html.contains(&path(counted)));

    let post = async |id: AlarmId, cookie: &str, csrf: &str| {
        bed.post(&path(id), "192.0.2.1", &[("cookie", cookie)], &format!("csrf={csrf}")).await
    };
    assert_eq!(post(restored, &operator, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(restored, &clerk, &clerk_csrf).await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(AlarmId::new(&SystemIds), &operator, &csrf).await.status, StatusCode::NOT_FOUND);
    let refused = post(counted, &operator, &csrf).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("endet von selbst") && refused.text().contains("PST-HUB-0009"));
    assert_eq!(open(&bed).await.len(), 2);

    for _ in 0..2 {
        let done = post(restored, &operator, &csrf).await;
        assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, "/betrieb"));
    }
    assert_eq!(open(&bed).await, ["balance"]);
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    let subject = Subject::tenant(TenantId::SYSTEM);
    let chain = evidence::chain(&mut tx, TenantId::SYSTEM, &subject).await.unwrap();
    let noted: Vec<_> = chain.iter().filter(|e| e.kind() == Some(Event::Acknowledged)).collect();
    assert_eq!(noted.len(), 1, "pressing twice is one note");
    assert_eq!(noted[0].who, format!("principal:{}", bed.operator));
    assert!(noted[0].body.contains("PST-HUB-0007") && noted[0].body.contains("restored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_called_by_its_name() {
    let bed = Bed::new().await;
    let connector = bed.connector(&bed.a, "Bauamt", "Bauantrag").await;
    let now = bed.hub.clock().now();
    for lane in ["connector:", "mail:"] {
        let lane = match lane {
            "mail:" => format!("{}/mail:aussen.example", bed.a.tenant),
            _ => format!("{}/connector:{connector}", bed.a.tenant),
        };
        for _ in 0..5 {
            bed.hub.health().lane_fails(&lane, Reason::new("PST-DELIVER-0005", Fault::Remote), now);
        }
    }
    let watch = poststelle_hub::watch::Watch::new(bed.hub.clone(), poststelle_hub::watch::Timers::default());
    watch.probe().await.unwrap();
    let (operator, _) = bed.session(bed.operator).await;
    let html = bed.see("/betrieb", &operator).await.text();
    for target in ["„Bauamt“", "„E-Mail an aussen.example“"] {
        let words = format!("Das Ziel {target} (Gemeinde Adorf) ist gestört");
        assert!(html.contains(&words), "{words} fehlt in {html}");
    }
    assert_eq!(html.matches("ist gestört").count(), 2, "each is told once: {html}");
    assert!(!html.contains(&connector.to_string()), "no id on the screen");
    let told = bed.see("/api/v1/status", &operator).await.text();
    assert!(told.contains("„Bauamt“") && !told.contains(&connector.to_string()), "{told}");
    // Without a database the name is not known; the id would help nobody.
    bed.hub.db().close().await;
    let html = bed.see("/betrieb", &operator).await.text();
    assert!(html.contains("Das Ziel „Übergabeziel“") && !html.contains(&connector.to_string()), "{html}");
}
