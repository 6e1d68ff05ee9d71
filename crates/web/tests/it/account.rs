// SPDX-License-Identifier: EUPL-1.2
//! One's own account: a first password is used once, a second factor, sessions seen and ended.

use std::time::Duration;

use axum::http::StatusCode;
use poststelle_model::{Event, PrincipalId, Subject, TenantId};
use poststelle_store::{Scope, evidence};
use totp_rs::{Builder, Secret};

use crate::bed::{Answer, Bed, PASSWORD, who};

const OWN: &str = "ein ganz eigener Satz";

async fn sign_in(bed: &Bed, password: &str) -> Answer {
    let form = format!("login=clerk-adorf&password={password}&weiter=%2Fnachrichten");
    bed.post("/anmelden", "192.0.2.1", &[], &form).await
}

fn field<'a>(html: &'a str, name: &str) -> &'a str {
    html.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap()
}

async fn send(bed: &Bed, path: &str, cookie: &str, form: &str) -> Answer {
    bed.post(path, "192.0.2.1", &[("cookie", cookie)], form).await
}

/// Nothing opens with this cookie.
async fn opens_nothing(bed: &Bed, cookie: &str) {
    for path in ["/nachrichten", "/arbeit", "/konto", "/konto/zweiter-faktor", "/betrieb"] {
        let answer = bed.see(path, cookie).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header("location").starts_with("/anmelden"), "{path}");
    }
    assert_eq!(bed.see("/api/v1/messages", cookie).await.status, StatusCode::UNAUTHORIZED);
}

async fn changes(bed: &Bed, of: PrincipalId, field: &str) -> usize {
    let mut tx = bed.hub.db().read(Scope::System).await.unwrap();
    let chain = evidence::chain(&mut tx, TenantId::SYSTEM, &Subject::principal(of)).await.unwrap();
    let word = format!("\"field\":\"{field}\"");
    chain.iter().filter(|e| e.kind() == Some(Event::Changed) && e.body.contains(&word)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_somebody_else_opens_only_the_form_for_an_own_one() {
    let bed = Bed::new().await;
    let hash = poststelle_hub::directory::hash_password("vom Betrieb vergeben").await.unwrap();
    let operator = who();
    let mut edit = bed.hub.edit(&operator).await.unwrap();
    edit.set_password(bed.a.clerk, &hash).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(sign_in(&bed, PASSWORD).await.status, StatusCode::FORBIDDEN);
    let answer = sign_in(&bed, "vom+Betrieb+vergeben").await;
    assert_eq!(answer.header("location"), "/konto/passwort?weiter=/nachrichten");
    let half = answer.cookie();
    opens_nothing(&bed, &half).await;
    assert!(bed.see("/anmelden", &half).await.header("location").starts_with("/konto/passwort"));
    let page = bed.see(answer.header("location"), &half).await;
    assert_eq!(page.status, StatusCode::OK);
    let html = page.text();
    assert!(html.contains("kennt auch jemand anderes") && !html.contains("Abmelden"), "{html}");
    let csrf = field(&html, "csrf");
    let form = |csrf: &str, old: &str, new: &str, again: &str| {
        format!("csrf={csrf}&alt={old}&neu={new}&wiederholung={again}&weiter=%2Fnachrichten")
    };
    let own = OWN.replace(' ', "+");
    let given = "vom+Betrieb+vergeben";
    for (form, status, code) in [
        (form("falsch", given, &own, &own), StatusCode::FORBIDDEN, "Formular"),
        (form(csrf, "falsch", &own, &own), StatusCode::FORBIDDEN, "bisherige Passwort ist falsch"),
        (form(csrf, given, &own, "anders"), StatusCode::BAD_REQUEST, "verschieden"),
        (form(csrf, given, "kurz", "kurz"), StatusCode::BAD_REQUEST, "zu kurz"),
        (form(csrf, given, given, given), StatusCode::BAD_REQUEST, "gleicht dem bisherigen"),
        (form(csrf, given, "clerk-adorf-2026", "clerk-adorf-2026"), StatusCode::BAD_REQUEST, "Anmeldenamen"),
    ] {
        let refused = send(&bed, "/konto/passwort", &half, &form).await;
        assert_eq!(refused.status, status, "{form}");
        assert!(refused.text().contains(code), "{form}: {}", refused.text());
    }
    assert_eq!(changes(&bed, bed.a.clerk, "password").await, 1);
    let done = send(&bed, "/konto/passwort", &half, &form(csrf, given, &own, &own)).await;
    assert_eq!(
        (done.status, done.header("location")),
        (StatusCode::SEE_OTHER, "/nachrichten"),
        "{}",
        done.text()
    );
    assert_ne!(done.cookie(), half, "a session that gets rights gets a new name");
    assert_eq!(bed.see("/nachrichten", &done.cookie()).await.status, StatusCode::OK);
    opens_nothing(&bed, &half).await;
    assert_eq!(changes(&bed, bed.a.clerk, "password").await, 2);
    assert_eq!(sign_in(&bed, &own).await.header("location"), "/nachrichten");
}

/// What the app shows now.
fn code(bed: &Bed, secret: &str) -> String {
    let totp = Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap();
    let now = u64::try_from(bed.hub.clock().now().0 / 1_000_000).unwrap();
    totp.generate(now).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_from_the_offer_to_the_lost_telephone() {
    let bed = Bed::new().await;
    let (cookie, csrf) = bed.session(bed.a.clerk).await;
    let (elsewhere, _) = bed.session(bed.a.clerk).await;
    let offer = bed.see("/konto/zweiter-faktor", &cookie).await.text();
    assert!(offer.contains("<svg") && offer.contains("QR-Code"), "{offer}");
    let secret =
        offer.split("id=\"schluessel\">").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let sealed = field(&offer, "geheimnis");
    let set = |code: &str, sealed: &str| format!("csrf={csrf}&geheimnis={sealed}&code={code}");
    // A wrong code sets nothing, nor does a secret that was sealed for somebody else.
    let (other, other_csrf) = bed.session(bed.b.clerk).await;
    let theirs = bed.see("/konto/zweiter-faktor", &other).await.text();
    let stolen = format!("csrf={other_csrf}&geheimnis={sealed}&code={}", code(&bed, &secret));
    assert_eq!(send(&bed, "/konto/zweiter-faktor", &other, &stolen).await.status, StatusCode::FORBIDDEN);
    assert!(theirs.contains("geheimnis"));
    let wrong = send(&bed, "/konto/zweiter-faktor", &cookie, &set("000000", sealed)).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.text().contains("passt nicht zum Schlüssel"), "{}", wrong.text());
    let done = send(&bed, "/konto/zweiter-faktor", &cookie, &set(&code(&bed, &secret), sealed)).await;
    assert_eq!(done.status, StatusCode::OK);
    let html = done.text();
    let recovery: Vec<&str> =
        html.split("<li class=\"pst-mono\">").skip(1).map(|l| l.split('<').next().unwrap()).collect();
    assert_eq!(recovery.len(), 8);
    opens_nothing(&bed, &elsewhere).await;
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::OK);
    assert_eq!(changes(&bed, bed.a.clerk, "second_factor").await, 1);
    assert!(bed.see("/konto", &cookie).await.text().contains("8 Wiederherstellungscodes"));

    // The password alone opens nothing.
    let half = sign_in(&bed, PASSWORD).await;
    assert_eq!(half.header("location"), "/anmelden/code?weiter=/nachrichten");
    let half = half.cookie();
    opens_nothing(&bed, &half).await;
    assert_eq!(bed.see("/konto/passwort", &half).await.status, StatusCode::SEE_OTHER);
    let page = bed.see("/anmelden/code?weiter=/nachrichten", &half).await.text();
    let half_csrf = field(&page, "csrf").to_owned();
    let give = |csrf: &str, code: &str| format!("csrf={csrf}&code={code}&weiter=%2Fnachrichten");
    let refused = send(&bed, "/anmelden/code", &half, &give("falsch", &code(&bed, &secret))).await;
    assert!(refused.text().contains("PST-WEB-0001"));
    // The code that set it up was used: whoever looked over the shoulder has nothing.
    let used = send(&bed, "/anmelden/code", &half, &give(&half_csrf, &code(&bed, &secret))).await;
    assert_eq!(used.status, StatusCode::FORBIDDEN);
    assert!(used.text().contains("schon benutzt"), "{}", used.text());
    bed.clock.advance(Duration::from_secs(30));
    let through = send(&bed, "/anmelden/code", &half, &give(&half_csrf, &code(&bed, &secret))).await;
    assert_eq!(through.header("location"), "/nachrichten", "{}", through.text());
    assert_eq!(bed.see("/nachrichten", &through.cookie()).await.status, StatusCode::OK);
    opens_nothing(&bed, &half).await;

    // A recovery code counts once.
    for (expected, what) in [(StatusCode::SEE_OTHER, "first"), (StatusCode::FORBIDDEN, "second")] {
        let half = sign_in(&bed, PASSWORD).await.cookie();
        let page = bed.see("/anmelden/code", &half).await.text();
        let form = give(field(&page, "csrf"), &recovery[3].to_lowercase().replace('-', "+"));
        assert_eq!(send(&bed, "/anmelden/code", &half, &form).await.status, expected, "{what}");
    }
    // Guessing locks the account, for the right code too.
    let half = sign_in(&bed, PASSWORD).await.cookie();
    let page = bed.see("/anmelden/code", &half).await.text();
    let half_csrf = field(&page, "csrf").to_owned();
    for _ in 0..5 {
        send(&bed, "/anmelden/code", &half, &give(&half_csrf, "123456")).await;
    }
    bed.clock.advance(Duration::from_secs(30));
    let locked = send(&bed, "/anmelden/code", &half, &give(&half_csrf, &code(&bed, &secret))).await;
    assert_eq!(locked.status, StatusCode::FORBIDDEN);
    assert!(locked.text().contains("gesperrt"), "{}", locked.text());
    bed.clock.advance(Duration::from_secs(600));
    assert_eq!(bed.see("/anmelden/code", &half).await.status, StatusCode::SEE_OTHER, "it waits no longer");

    // Removed with a code, or by the house.
    let form = format!("csrf={csrf}&code={}", code(&bed, &secret));
    let gone = send(&bed, "/konto/zweiter-faktor/entfernen", &cookie, &form).await;
    assert_eq!(gone.header("location"), "/konto?hinweis=entfernt", "{}", gone.text());
    assert_eq!(sign_in(&bed, PASSWORD).await.header("location"), "/nachrichten");
    let operator = who();
    let mut edit = bed.hub.edit(&operator).await.unwrap();
    assert!(!edit.drop_second_factor(bed.a.clerk).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_and_ended() {
    let bed = Bed::new().await;
    let (here, csrf) = bed.session(bed.a.clerk).await;
    let (there, _) = bed.session(bed.a.clerk).await;
    let (stranger, stranger_csrf) = bed.session(bed.b.clerk).await;
    let html = bed.see("/konto", &here).await.text();
    assert_eq!(html.matches("/beenden\"").count(), 1, "one's own is left by signing out: {html}");
    let path = html.split("action=\"/konto/sitzungen/").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/konto/sitzungen/{path}");
    let theirs = send(&bed, &path, &stranger, &format!("csrf={stranger_csrf}")).await;
    assert_eq!(theirs.header("location"), "/konto?hinweis=sitzung", "no word whether there is one");
    assert_eq!(bed.see("/nachrichten", &there).await.status, StatusCode::OK);
    assert_eq!(send(&bed, &path, &here, "csrf=").await.status, StatusCode::FORBIDDEN);
    assert_eq!(send(&bed, &path, &here, &format!("csrf={csrf}")).await.status, StatusCode::SEE_OTHER);
    opens_nothing(&bed, &there).await;
    assert_eq!(bed.see("/nachrichten", &here).await.status, StatusCode::OK);
    assert_eq!(changes(&bed, bed.a.clerk, "session").await, 1);
}
