// SPDX-License-Identifier: EUPL-1.2
//! Codes of the webhook, and what an error of the HTTP client means for a delivery.
//!
//! Guarantees: whatever may have reached the far side is told as "may have", everything else as "did not".

use std::error::Error as StdError;

use poststelle_hub::channel::{ChannelError, SendOutcome};
use poststelle_model::{Fault, Reason};

use super::guard::Forbidden;

/// Codes with the German sentence for the screen.
pub const CODES: &[(&str, &str)] = &[
    (
        "PST-WEBHOOK-1001",
        "Die Einstellungen der Webhook-Übergabe sind nicht lesbar ({ $detail }). Die Administration des Mandanten muss sie berichtigen.",
    ),
    (
        "PST-WEBHOOK-1002",
        "Die Adresse { $url } ist für Webhooks nicht zulässig ({ $detail }). Die Administration des Mandanten muss eine https-Adresse eintragen.",
    ),
    (
        "PST-WEBHOOK-1003",
        "{ $host } liegt im internen Netz ({ $address }) und wurde nicht aufgerufen. Die Administration des Mandanten muss die Adresse berichtigen oder der Betrieb interne Ziele ausdrücklich erlauben.",
    ),
    (
        "PST-WEBHOOK-1004",
        "Für den Webhook ist kein brauchbares Geheimnis hinterlegt (mindestens 16 Zeichen). Die Administration des Mandanten muss es eintragen.",
    ),
    (
        "PST-WEBHOOK-1005",
        "Der HTTP-Zugang ließ sich nicht einrichten ({ $detail }). Der Betrieb muss die Zertifikate des Systems prüfen.",
    ),
    (
        "PST-WEBHOOK-2001",
        "Der Name { $host } ließ sich nicht auflösen. Es wird von selbst erneut versucht; hält es an, muss die Administration des Mandanten die Adresse prüfen.",
    ),
    (
        "PST-WEBHOOK-2002",
        "{ $host } ist nicht erreichbar ({ $detail }). Es wird von selbst erneut versucht; hält es an, muss der Betreiber des Fachverfahrens handeln.",
    ),
    (
        "PST-WEBHOOK-2003",
        "Die gesicherte Verbindung zu { $host } kam nicht zustande ({ $detail }). Der Betreiber des Fachverfahrens muss sein Zertifikat prüfen; es wird von selbst erneut versucht.",
    ),
    (
        "PST-WEBHOOK-2004",
        "{ $host } bittet um Geduld (HTTP { $status }). Es wird von selbst erneut versucht.",
    ),
    (
        "PST-WEBHOOK-2005",
        "{ $host } meldet eine Störung (HTTP { $status }). Es wird von selbst erneut versucht; hält es an, muss der Betreiber des Fachverfahrens handeln.",
    ),
    (
        "PST-WEBHOOK-3001",
        "{ $host } hat die Nachricht endgültig abgelehnt (HTTP { $status }). Die Administration des Mandanten muss mit dem Betreiber des Fachverfahrens klären, warum.",
    ),
    (
        "PST-WEBHOOK-3002",
        "{ $host } erkennt die Poststelle nicht an (HTTP { $status }). Die Administration des Mandanten muss das Geheimnis mit dem Betreiber des Fachverfahrens abgleichen.",
    ),
    (
        "PST-WEBHOOK-3003",
        "Unter der eingetragenen Adresse nimmt { $host } nichts (mehr) an (HTTP { $status }). Die Administration des Mandanten muss die Adresse berichtigen.",
    ),
    (
        "PST-WEBHOOK-3004",
        "{ $host } leitet auf eine andere Adresse um (HTTP { $status }, { $location }); Umleitungen werden nicht befolgt. Die Administration des Mandanten muss die neue Adresse eintragen.",
    ),
    (
        "PST-WEBHOOK-4001",
        "{ $host } hat die Nachricht möglicherweise erhalten, aber nicht rechtzeitig geantwortet. Sie wird mit derselben Kennung erneut angeboten; das Fachverfahren erkennt Wiederholungen daran.",
    ),
    (
        "PST-WEBHOOK-4002",
        "Die Verbindung zu { $host } riss nach dem Senden ab ({ $detail }); die Nachricht kam möglicherweise an. Sie wird mit derselben Kennung erneut angeboten; das Fachverfahren erkennt Wiederholungen daran.",
    ),
];

/// What a failed call means.
pub(crate) fn outcome(error: reqwest::Error, host: &str) -> Result<SendOutcome, ChannelError> {
    // The address may carry what is nobody's business (query); the host is enough.
    let error = &error.without_url();
    let new = |code, fault| Reason::new(code, fault).with("host", host);
    if let Some(forbidden) = find::<Forbidden>(error) {
        return Err(refused(forbidden));
    }
    if error.is_dns() {
        return Err(ChannelError::later(new("PST-WEBHOOK-2001", Fault::Remote).with("detail", root(error))));
    }
    if error.is_connect() {
        let code =
            if find::<rustls::Error>(error).is_some() { "PST-WEBHOOK-2003" } else { "PST-WEBHOOK-2002" };
        return Err(ChannelError::later(new(code, Fault::Remote).with("detail", root(error))));
    }
    if error.is_builder() {
        return Err(ChannelError::never(new("PST-WEBHOOK-1001", Fault::Tenant).with("detail", root(error))));
    }
    let reason = if error.is_timeout() {
        new("PST-WEBHOOK-4001", Fault::Remote)
    } else {
        new("PST-WEBHOOK-4002", Fault::Remote).with("detail", root(error))
    };
    Ok(SendOutcome::Unclear { reason, receipt: None })
}

/// A target inside our own network.
pub(crate) fn refused(forbidden: &Forbidden) -> ChannelError {
    let reason = Reason::new("PST-WEBHOOK-1003", Fault::Tenant)
        .with("host", &forbidden.host)
        .with("address", forbidden.address);
    ChannelError::never(reason)
}

/// Looks for a cause, also inside the boxes of `std::io::Error`.
fn find<T: StdError + 'static>(error: &dyn StdError) -> Option<&T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        next = match cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => cause.source(),
        };
    }
    None
}

/// The innermost cause in its own words.
fn root(error: &dyn StdError) -> String {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        last = cause.to_string();
        next = cause.source();
    }
    last
}

/// Settings nobody can work with.
pub(crate) fn settings(detail: &dyn std::fmt::Display) -> ChannelError {
    ChannelError::never(Reason::new("PST-WEBHOOK-1001", Fault::Tenant).with("detail", detail))
}
