// SPDX-License-Identifier: EUPL-1.2
//! Nothing secret reaches the log, however much is logged.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tracing_subscriber::fmt::MakeWriter;

use crate::bed::Bed;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_them() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // For the whole process: handlers and workers run on many threads. Other tests may log into it too.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let bed = Bed::new().await;
    let form = "login=clerk-adorf&password=ein-langes-Passwort";
    let answer = bed.post("/anmelden", "192.0.2.1", &[], form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let cookie = answer.cookie();
    assert_eq!(bed.see("/nachrichten", &cookie).await.status, StatusCode::OK);
    bed.post("/anmelden", "192.0.2.1", &[], "login=clerk-adorf&password=vertippt-und-geheim").await;
    let request =
        Request::post("/api/v1/messages").header("authorization", format!("Bearer {}", bed.a.intake));
    let mail = "From: a@b.example\r\nSubject: x\r\n\r\nvertraulicher Inhalt\r\n";
    assert_eq!(bed.ask(request.body(Body::from(mail)).unwrap()).await.status, StatusCode::CREATED);

    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("route=\"/anmelden\""), "the log speaks");
    let session = cookie.split_once('=').unwrap().1;
    for secret in
        ["ein-langes-Passwort", "vertippt-und-geheim", session, &bed.a.intake, "vertraulicher Inhalt"]
    {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
