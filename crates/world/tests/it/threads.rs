// SPDX-License-Identifier: EUPL-1.2
//! An answer knows its question: by SMTP in, through the process step, into the Fachverfahren's package.

use std::time::Duration;

use poststelle_hub::Limits;
use poststelle_hub::view::MessageView;
use poststelle_model::{Action, ChannelKind, Rule, RuleId, TenantId, Who};
use poststelle_store::{Scope, messages};
use poststelle_world::load::{Load, Shot};
use serde_json::json;

use crate::house::{House, Settings, until};

/// Sends a mail and waits until it is handed over; gives its view.
async fn sent(house: &House, tenant: TenantId, to: &str, id: &str, answers: &str) -> MessageView {
    let mail =
        format!("From: b@buerger.example\r\nMessage-ID: <{id}>\r\n{answers}Subject: {id}\r\n\r\nText\r\n");
    let shot = Shot::new("b@buerger.example", &[to], mail.into_bytes());
    let report = Load::new(house.smtp).unwrap().run(1, move |_| shot.clone()).await;
    assert_eq!(report.accepted, 1);
    until(20, async || {
        let mut tx = house.hub.db().read(Scope::Tenant(tenant)).await.unwrap();
        let lines = messages::page(&mut tx, tenant, None, 50).await.unwrap();
        drop(tx);
        if let Some(line) = lines.iter().find(|l| l.subject == id && l.processed) {
            let view = house.hub.message_view_unchecked(tenant, line.id).await.unwrap();
            if view.deliveries.iter().all(|d| !d.delivery.state.is_open()) {
                return Ok(view);
            }
        }
        Err(format!("{id} is not handed over"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_knows_its_question() {
    let limits = Limits::default();
    let house = House::open(Settings { limits, max_out: 1_000_000, call: Duration::from_secs(2) }).await;
    let (hub, who) = (&house.hub, Who::house("test"));
    let folder = house.dir.path().join("uebergabe");
    std::fs::create_dir(&folder).unwrap();
    let mut tenants = Vec::new();
    for slug in ["adorf", "bdorf"] {
        let tenant = hub.add_tenant(slug, slug, &who).await.unwrap();
        let mailbox = hub.add_mailbox(tenant, "Poststelle", &who).await.unwrap();
        let address = format!("post@{slug}.example");
        hub.add_address(tenant, mailbox, ChannelKind::Mail, &address, &who).await.unwrap();
        let config = json!({ "path": folder });
        let connector = hub.add_connector(tenant, "hot_folder", "Akte", &config, None, &who).await.unwrap();
        let rule = Rule {
            tenant,
            id: RuleId::new(hub.ids()),
            position: 1,
            name: "alles".to_owned(),
            condition: "true".to_owned(),
            actions: vec![Action::ToConnector { connector }],
            active: true,
            version: 1,
        };
        hub.put_rule(&rule, &who).await.unwrap();
        tenants.push((tenant, address));
    }
    let [(a, to_a), (b, to_b)] = tenants.as_slice() else { unreachable!() };

    let question = sent(&house, *a, to_a, "frage@buerger.example", "").await.message;
    assert_eq!((question.in_reply_to, question.conversation), (None, None));
    let answers = "In-Reply-To: <frage@buerger.example>\r\n";
    let answer = sent(&house, *a, to_a, "antwort@buerger.example", answers).await.message;
    assert_eq!(answer.in_reply_to, Some(question.id));
    assert_eq!(answer.conversation.unwrap().uuid(), question.id.uuid());
    let answers =
        "References: <frage@buerger.example>\r\n <antwort@buerger.example> <unbekannt@buerger.example>\r\n";
    let third = sent(&house, *a, to_a, "dritte@buerger.example", answers).await.message;
    assert_eq!((third.in_reply_to, third.conversation), (Some(answer.id), answer.conversation));
    let foreign = sent(&house, *b, to_b, "fremd@buerger.example", answers).await.message;
    assert_eq!(
        (foreign.in_reply_to, foreign.conversation),
        (None, None),
        "tenants do not see each other's mail"
    );

    let mut packages = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("message.json") {
                packages.push(
                    serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap(),
                );
            }
        }
    }
    let of = |id: poststelle_model::MessageId| packages.iter().find(|p| p["message"] == json!(id)).unwrap();
    assert_eq!(of(third.id)["in_reply_to"], json!(answer.id));
    assert_eq!(of(third.id)["conversation"], json!(answer.conversation));
    assert_eq!(of(foreign.id)["in_reply_to"], json!(null));
    house.close().await;
}
