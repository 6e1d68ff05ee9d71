// SPDX-License-Identifier: EUPL-1.2
//! Messages in memory, consumers of a hot folder, and what every test needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use poststelle_crypto::Digests;
use poststelle_hub::channel::{ChannelError, Cx, IdempotencyKey, Octets, Outgoing};
use poststelle_hub::clock::SystemIds;
use poststelle_hub::content::Content;
use poststelle_model::message::Transport;
use poststelle_model::part::Encoding;
use poststelle_model::{
    BlobId, ChannelKind, ConnectorId, DeliveryId, Direction, ManualClock, Message, MessageId, Part, Target,
    TenantId, Timestamp,
};
use serde_json::{Value, json};

/// 2026-11-22T08:15:30.123456Z
pub const NOW: Timestamp = Timestamp(1_795_335_330_123_456);

pub fn cx() -> Cx {
    Cx {
        tenant: TenantId::new(&SystemIds),
        clock: Arc::new(ManualClock::new(NOW)),
        ids: Arc::new(SystemIds),
        deadline: NOW.plus(Duration::from_secs(600)),
    }
}

/// Octets in memory, given in small pieces.
pub struct Memory {
    pub original: Bytes,
    pub parts: Vec<Part>,
    pub octets: Vec<Bytes>,
    pub piece: usize,
    /// The stream of part n breaks off.
    pub broken: Option<i64>,
}

fn pieces(octets: &Bytes, size: usize) -> Octets {
    let octets = octets.clone();
    let starts = (0..octets.len()).step_by(size);
    stream::iter(starts.map(move |at| Ok(octets.slice(at..octets.len().min(at + size))))).boxed()
}

#[async_trait]
impl Content for Memory {
    async fn head(&self, _most: u64) -> Result<Octets, ChannelError> {
        self.original().await
    }

    async fn original(&self) -> Result<Octets, ChannelError> {
        Ok(pieces(&self.original, self.piece))
    }

    async fn part(&self, part: &Part) -> Result<Octets, ChannelError> {
        let octets = pieces(&self.octets[usize::try_from(part.n).unwrap()], self.piece);
        if self.broken == Some(part.n) {
            let reason = poststelle_model::Reason::new("PST-STORE-TEST", poststelle_model::Fault::Operator);
            return Ok(octets.chain(stream::iter([Err(ChannelError::later(reason))])).boxed());
        }
        Ok(octets)
    }

    async fn parts(&self, offset: i64) -> Result<Vec<Part>, ChannelError> {
        Ok(self.parts.iter().skip(usize::try_from(offset).unwrap()).take(1000).cloned().collect())
    }
}

/// A multipart mail with these parts: name as sent, safe name, octets.
pub fn memory(parts: &[(&str, &str, Vec<u8>)]) -> Memory {
    let mut original = b"Subject: Antrag\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n".to_vec();
    let mut rows = vec![row(0, "", "", b"", false)];
    let mut octets = vec![Bytes::new()];
    for (i, (raw, name, data)) in parts.iter().enumerate() {
        original.extend_from_slice(b"--x\r\n\r\n");
        original.extend_from_slice(data);
        original.extend_from_slice(b"\r\n");
        rows.push(row(i64::try_from(i).unwrap() + 1, raw, name, data, true));
        octets.push(Bytes::from(data.clone()));
    }
    original.extend_from_slice(b"--x--\r\n");
    Memory { original: original.into(), parts: rows, octets, piece: 64 * 1024, broken: None }
}

pub fn row(n: i64, raw: &str, name: &str, data: &[u8], leaf: bool) -> Part {
    Part {
        n,
        parent: if n == 0 { -1 } else { 0 },
        path: if n == 0 { "1".to_owned() } else { format!("1.{n}") },
        leaf,
        blob: None,
        header: -1,
        start: 0,
        len: 0,
        encoding: Encoding::Identity,
        declared: if leaf { "application/octet-stream".to_owned() } else { "multipart/mixed".to_owned() },
        detected: String::new(),
        charset: String::new(),
        raw_name: raw.to_owned(),
        name: name.to_owned(),
        disposition: if leaf { "attachment".to_owned() } else { String::new() },
        size: i64::try_from(data.len()).unwrap(),
        sha256: if leaf { Digests::of(data).sha256_hex() } else { String::new() },
        defects: Vec::new(),
    }
}

/// Letters like the everyday ones: a text and two attachments, 75 KB decoded.
pub fn everyday() -> Memory {
    memory(&[
        ("", "nachricht.txt", b"Sehr geehrte Damen und Herren".to_vec()),
        ("Antrag.pdf", "Antrag.pdf", vec![b'p'; 50_000]),
        ("Lageplan.png", "Lageplan.png", (0..25_000u32).map(|i| i.to_le_bytes()[0]).collect()),
    ])
}

pub fn outgoing(content: Memory, config: Value) -> Outgoing {
    let digests = Digests::of(&content.original);
    let size = i64::try_from(content.original.len()).unwrap();
    let mut out = outgoing_of(Arc::new(content), size, config);
    out.message.sha256 = digests.sha256_hex();
    out.message.sha512 = digests.sha512_hex();
    out
}

pub fn outgoing_of(content: Arc<dyn Content>, size: i64, config: Value) -> Outgoing {
    let ids = SystemIds;
    Outgoing {
        delivery: DeliveryId::new(&ids),
        target: Target::Connector { connector: ConnectorId::new(&ids) },
        config,
        secret: Some(Arc::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_vec())),
        message: Message {
            tenant: TenantId::new(&ids),
            id: MessageId::new(&ids),
            direction: Direction::In,
            channel: ChannelKind::Mail,
            mailbox: None,
            foreign_id: String::new(),
            conflicts_with: None,
            in_reply_to: None,
            conversation: None,
            blob: BlobId::new(&ids),
            size,
            sha256: String::new(),
            sha512: String::new(),
            transport: Transport {
                sender: "buerger@example.org".to_owned(),
                recipients: vec!["bauamt@musterdorf.example".to_owned()],
                ..Transport::default()
            },
            accepted_at: NOW,
        },
        tenant_slug: "musterdorf".to_owned(),
        subject: "Antrag „Müller“ \u{1f3e0}".to_owned(),
        sender: "Erika Müller <buerger@example.org>".to_owned(),
        defects: vec!["bare-lf".to_owned()],
        urgent: true,
        because: "Bauanträge".to_owned(),
        header_id: "abc@example.org".to_owned(),
        attempt: 1,
        maybe_repeated: false,
        return_path: String::new(),
        content,
    }
}

pub fn key(out: &Outgoing) -> IdempotencyKey {
    IdempotencyKey::of(out.delivery)
}

pub fn folder(path: &Path) -> Value {
    json!({ "path": path })
}

/// What a consumer sees: every package that does not begin with a dot.
pub fn visible(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    found.sort();
    found
}

/// Names left under `.poststelle/bau`.
pub fn builds(path: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(path.join(".poststelle/bau")) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// Reads a package as a careful consumer does: everything `message.json` names must be there, and equal.
pub fn consume(package: &Path) -> Value {
    let sheet: Value = serde_json::from_slice(&std::fs::read(package.join("message.json")).unwrap()).unwrap();
    assert_eq!(sheet["version"], 1);
    let mut expected: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut note = |node: &Value| {
        if let Some(file) = node["file"].as_str() {
            let size = node["size"].as_u64().unwrap();
            let sha256 = node["sha256"].as_str().unwrap().to_owned();
            assert!(expected.insert(file.to_owned(), (size, sha256)).is_none(), "{file} twice");
        }
    };
    note(&sheet["original"]);
    sheet["parts"].as_array().unwrap().iter().for_each(&mut note);
    let mut files = 0;
    for dir in [package.to_owned(), package.join("teile")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            files += usize::from(entry.unwrap().file_type().unwrap().is_file());
        }
    }
    assert_eq!(files, expected.len() + 1, "files on disk and in message.json");
    for (file, (size, sha256)) in expected {
        let octets = std::fs::read(package.join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!((octets.len() as u64, Digests::of(&octets).sha256_hex()), (size, sha256), "{file}");
    }
    sheet
}
