// SPDX-License-Identifier: EUPL-1.2
//! A tenant's administration: who may come there, and what they do with people.

use axum::http::StatusCode;
use poststelle_model::Role;
use poststelle_model::people::{Grant, Place};

use crate::bed::{Bed, person, who};

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_come_in() {
    let bed = Bed::new().await;
    let admin = person(&bed.hub, "verwaltung", "Vera Verwaltung", Some(bed.a.administration)).await;
    let grant = Grant { role: Role::TenantAdmin, place: Place::Tenant { tenant: bed.a.tenant } };
    bed.hub.grant(admin, grant, &who()).await.unwrap();
    let here = format!("/verwaltung/{}", bed.a.tenant);
    let (cookie, _) = bed.session(admin).await;
    let menu = bed.see("/verwaltung", &cookie).await;
    assert_eq!((menu.status, menu.header("location")), (StatusCode::SEE_OTHER, here.as_str()));
    let page = bed.see(&here, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Verwaltung – Gemeinde Adorf"), "{}", page.text());
    assert!(bed.see("/hilfe", &cookie).await.text().contains("href=\"/verwaltung\""));
    // For everybody else it is not there.
    for id in [bed.a.clerk, bed.b.clerk, bed.operator] {
        let (cookie, _) = bed.session(id).await;
        assert_eq!(bed.see(&here, &cookie).await.status, StatusCode::NOT_FOUND);
        assert!(!bed.see("/hilfe", &cookie).await.text().contains("href=\"/verwaltung\""));
    }
}
