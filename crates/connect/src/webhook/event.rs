// SPDX-License-Identifier: EUPL-1.2
//! The event a webhook carries (CloudEvents 1.0, structured mode, JSON).
//!
//! Guarantees: the body of a delivery is the same octets at every attempt; it names digests and sizes, so
//! that what is fetched through the links can be checked. Messages of more than [`MAX_PARTS`] parts list only
//! the first and say so in `parts_complete`; the rest is behind the message's link.
//! Does not: carry octets of the message, or a key to fetch them: the far side uses its own account.

use poststelle_hub::channel::{ChannelError, IdempotencyKey, Outgoing};
use poststelle_model::TenantId;
use serde::Serialize;

use crate::sheet::{PartRow, Sheet};

/// Type of the event.
pub const TYPE: &str = "de.poststelle.message.v1";
/// Type of the event that only tries whether the far side is there: nothing follows from it.
pub const PROBE: &str = "de.poststelle.probe.v1";
/// Media type of the body.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Parts listed at most.
pub const MAX_PARTS: usize = 1000;

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    r#type: &'static str,
    source: &'a str,
    id: &'a str,
    time: String,
    subject: String,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    sheet: Sheet<'a>,
    link: &'a str,
    parts_complete: bool,
    parts: Vec<PartRow<'a>>,
}

/// The body for one delivery. `base` is the address of the REST API without a slash at its end.
pub(crate) async fn body(out: &Outgoing, key: &IdempotencyKey, base: &str) -> Result<Vec<u8>, ChannelError> {
    let source = format!("{base}/tenants/{}", out.message.tenant);
    let link = format!("{base}/messages/{}/{}", out.message.tenant, out.message.id);
    let original = format!("{link}/original");
    let parts = out.content.parts(0).await?;
    let rows = parts.iter().take(MAX_PARTS).map(|part| {
        let held = out.content.is_held(part);
        let file = (part.leaf && !held).then(|| format!("{link}/parts/{}", part.n));
        PartRow::new(part, file, held)
    });
    let event = Event {
        specversion: "1.0",
        r#type: TYPE,
        source: &source,
        id: &key.0,
        time: out.message.accepted_at.rfc3339(),
        subject: out.message.id.to_string(),
        datacontenttype: "application/json",
        data: Data {
            sheet: Sheet::new(out, key, &original, None),
            link: &link,
            // A full page may have a successor; whoever follows the link sees.
            parts_complete: parts.len() < MAX_PARTS,
            parts: rows.collect(),
        },
    };
    serde_json::to_vec(&event).map_err(|e| super::fault::settings(&e))
}

/// The body of a probe.
pub(crate) fn probe(id: &str, tenant: TenantId, base: &str, time: &str) -> Vec<u8> {
    let event = serde_json::json!({
        "specversion": "1.0",
        "type": PROBE,
        "source": format!("{base}/tenants/{tenant}"),
        "id": id,
        "time": time,
        "datacontenttype": "application/json",
        "data": {},
    });
    event.to_string().into_bytes()
}
