// SPDX-License-Identifier: EUPL-1.2
//! Sessions: opening, ending, guessing, forging.

use std::time::Duration;

use axum::http::StatusCode;

use crate::bed::{Bed, PASSWORD};

fn form(login: &str, password: &str, next: &str) -> String {
    format!("login={login}&password={password}&weiter={next}")
}

#[tokio::test(flavor = "multi_thread")]
async fn in_and_out() {
    let bed = Bed::new().await;
    // A stranger is sent to the sign-in, and from there back to where they wanted to go.
    let sent = bed.get("/nachrichten?mandant=x", &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.header("location"), "/anmelden?weiter=/nachrichten%3Fmandant%3Dx");
    let page = bed.get(sent.header("location"), &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("value=\"/nachrichten?mandant=x\""), "{}", page.text());
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!page.text().contains(" style=") && !page.text().contains("onclick"));

    let answer =
        bed.post("/anmelden", "192.0.2.1", &[], &form("CLERK-adorf", PASSWORD, "%2Fnachrichten")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.header("location"), "/nachrichten");
    let set = answer.header("set-cookie");
    assert!(set.starts_with("poststelle=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set}");
    let cookie = answer.cookie();
    let list = bed.see("/nachrichten", &cookie).await;
    assert_eq!(list.status, StatusCode::OK);
    assert!(
        list.text().contains(
            "Angemeldet als <a class=\"kern-link kern-link--small\" href=\"/konto\">Karla Klerk</a>"
        )
    );
    assert_eq!(bed.see("/", &cookie).await.header("location"), "/arbeit");
    assert_eq!(bed.see("/anmelden", &cookie).await.status, StatusCode::SEE_OTHER);

    // Ending needs the form's token.
    for wrong in ["csrf=", "csrf=falsch", ""] {
        let refused = bed.post("/abmelden", "192.0.2.1", &[("cookie", &cookie)], wrong).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.text().contains("PST-WEB-0001"));
    }
    let html = list.text();
    let csrf = html.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let left = bed.post("/abmelden", "192.0.2.1", &[("cookie", &cookie)], &format!("csrf={csrf}")).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    // The session itself is gone, not only the cookie.
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_over_tls() {
    let bed = Bed::with(poststelle_hub::Limits::default(), true).await;
    let answer = bed.post("/anmelden", "192.0.2.1", &[], &form("clerk-adorf", PASSWORD, "")).await;
    let set = answer.header("set-cookie");
    assert!(set.starts_with("__Host-poststelle=") && set.ends_with("SameSite=Lax; Secure"), "{set}");
    assert_eq!(bed.see("/nachrichten", &answer.cookie()).await.status, StatusCode::OK);
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_without_use_and_with_the_right() {
    let bed = Bed::new().await;
    let (cookie, _) = bed.session(bed.a.clerk).await;
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::OK);
    bed.clock.advance(Duration::from_secs(9 * 3600));
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_for_all_that_is_wrong() {
    let bed = Bed::new().await;
    let a = bed.post("/anmelden", "192.0.2.1", &[], &form("clerk-adorf", "falsch-geraten", "")).await;
    let b = bed.post("/anmelden", "192.0.2.1", &[], &form("niemand-hier", "falsch-geraten", "")).await;
    assert_eq!((a.status, b.status), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(a.text().replace("clerk-adorf", ""), b.text().replace("niemand-hier", ""));
    assert!(a.text().contains("Anmeldename oder Passwort ist falsch"));
    assert!(a.headers.get("set-cookie").is_none());
    // What was typed comes back escaped, the password never.
    let evil = bed.post("/anmelden", "192.0.2.1", &[], &form("%22%3E%3Cscript%3E", "geheimgeheim", "")).await;
    assert!(!evil.text().contains("\"><script>") && !evil.text().contains("geheimgeheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let bed = Bed::new().await;
    let wrong = form("clerk-bestadt", "falsch-geraten", "");
    let mut statuses = Vec::new();
    for i in 0..11 {
        // From many addresses: the name is limited too.
        statuses.push(bed.post("/anmelden", &format!("192.0.2.{i}"), &[], &wrong).await.status);
    }
    assert_eq!(statuses[9], StatusCode::FORBIDDEN);
    let limited = bed.post("/anmelden", "192.0.2.77", &[], &wrong).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.header("retry-after"), "300");
    assert!(
        limited.text().contains("Zu viele vergebliche Anmeldungen. Bitte versuchen Sie es nach 300 Sekunden")
    );
    // Others are not locked out.
    let other = bed.post("/anmelden", "192.0.2.1", &[], &form("clerk-adorf", PASSWORD, "")).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    // Later it works again.
    bed.clock.advance(Duration::from_secs(301));
    let again = bed.post("/anmelden", "192.0.2.1", &[], &form("clerk-bestadt", PASSWORD, "")).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_is_limited_and_only_a_known_proxy_believed() {
    let bed = Bed::new().await;
    let try_as = |i: usize| form(&format!("name-{i}"), "x", "");
    let forwarded = [("x-forwarded-for", "203.0.113.9")];
    for i in 0..30 {
        let status = bed.post("/anmelden", "10.0.0.1", &forwarded, &try_as(i)).await.status;
        assert_eq!(status, StatusCode::FORBIDDEN, "{i}");
    }
    let limited = bed.post("/anmelden", "10.0.0.1", &forwarded, &try_as(30)).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    // Another client behind the same proxy is not meant.
    let other = [("x-forwarded-for", "203.0.113.10")];
    assert_eq!(bed.post("/anmelden", "10.0.0.1", &other, &try_as(31)).await.status, StatusCode::FORBIDDEN);
    // Nobody else may say who they are.
    assert_eq!(
        bed.post("/anmelden", "192.0.2.1", &forwarded, &try_as(32)).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_pages_cannot_sign_anybody_in_or_out() {
    let bed = Bed::new().await;
    let right = form("clerk-adorf", PASSWORD, "");
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let answer = bed.post("/anmelden", "192.0.2.1", &[foreign], &right).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text().contains("PST-WEB-0008") && answer.headers.get("set-cookie").is_none());
    }
    // And after signing in nobody is sent away.
    let answer =
        bed.post("/anmelden", "192.0.2.1", &[], &form("clerk-adorf", PASSWORD, "%2F%2Fevil.example")).await;
    assert_eq!(answer.header("location"), "/");
}
