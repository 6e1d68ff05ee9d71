// SPDX-License-Identifier: EUPL-1.2
//! Media type by content, from the first octets of a part.
//!
//! Guarantees: total, looks at [`HEAD_BYTES`] octets (and, for ZIP, at member names within the first
//! [`ZIP_BYTES`]), the same answer however the content was cut ([`Detector`]). An answer is a hint for rules and screens,
//! no proof that the file is well formed, and `None` means only that no pattern fitted.

/// Octets kept from the beginning of a part.
pub const HEAD_BYTES: usize = 512;
/// Octets of a ZIP file searched for telling member names.
const ZIP_BYTES: u64 = 1024 * 1024;

const ZIP: &str = "application/zip";

/// Offset, magic octets, media type. Order matters: first hit wins.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"(\xb5/\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\x78\x9f\x3e\x22", "application/vnd.ms-tnef"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (0, b"-----BEGIN PGP ", "application/pgp-encrypted"),
    (0, b"-----BEGIN PKCS7-----", "application/pkcs7-mime"),
];

/// Telling first lines of the `mimetype` member (ODF 1.3 part 2 §3.3, ETSI EN 319 162-1 annex A).
const PACKAGES: &[&str] = &[
    "application/vnd.oasis.opendocument.text-template",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.graphics",
    "application/vnd.etsi.asic-e+zip",
    "application/vnd.etsi.asic-s+zip",
    "application/epub+zip",
];

/// Member name prefix, media type (ECMA-376 packages).
const MEMBERS: &[(&[u8], &str)] = &[
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// Object identifiers of CMS content types in DER: 1.2.840.113549.1.7.x and 1.2.840.113549.1.9.16.1.23.
const CMS: &[&[u8]] =
    &[b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01"];

/// Media type of content that begins with `head` ([`HEAD_BYTES`] octets, or all if shorter).
#[must_use]
pub fn detect(head: &[u8]) -> Option<&'static str> {
    if head.is_empty() {
        return None;
    }
    for (offset, magic, media_type) in MAGIC {
        if head.get(*offset..).is_some_and(|at| at.starts_with(magic)) {
            if *media_type == "image/webp" && !head.starts_with(b"RIFF") {
                continue;
            }
            return Some(media_type);
        }
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some(package(head).unwrap_or(ZIP));
    }
    if head.starts_with(b"PK\x05\x06") {
        return Some(ZIP);
    }
    // Readers accept a PDF header anywhere in the first 1,024 octets; junk before it is common enough.
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return Some("application/pdf");
    }
    if is_cms(head) {
        return Some("application/pkcs7-mime");
    }
    if head.starts_with(b"MZ") && !is_text(head) {
        return Some("application/vnd.microsoft.portable-executable");
    }
    if head.starts_with(b"BM") && head.get(6..10) == Some(&[0, 0, 0, 0]) {
        return Some("image/bmp");
    }
    markup(head).or_else(|| is_text(head).then_some("text/plain"))
}

/// ODF and ASiC: an uncompressed first member `mimetype`.
fn package(head: &[u8]) -> Option<&'static str> {
    let name_len = usize::from(u16::from_le_bytes([*head.get(26)?, *head.get(27)?]));
    let extra_len = usize::from(u16::from_le_bytes([*head.get(28)?, *head.get(29)?]));
    let name = head.get(30..30 + name_len)?;
    if name == b"mimetype" && head.get(8..10) == Some(&[0, 0]) {
        let content = head.get(30 + name_len + extra_len..)?;
        return PACKAGES.iter().find(|p| content.starts_with(p.as_bytes())).copied();
    }
    member(name)
}

fn member(name: &[u8]) -> Option<&'static str> {
    MEMBERS.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, media_type)| *media_type)
}

/// `SEQUENCE { OBJECT IDENTIFIER cms …`, DER or BER with indefinite length.
fn is_cms(head: &[u8]) -> bool {
    let Some(0x30) = head.first() else { return false };
    let skip = match head.get(1) {
        Some(0x80) => 2,
        Some(n @ 0x81..=0x84) => 2 + usize::from(n & 0x7f),
        Some(n) if *n < 0x80 => 2,
        _ => return false,
    };
    head.get(skip..).is_some_and(|content| CMS.iter().any(|oid| content.starts_with(oid)))
}

fn markup(head: &[u8]) -> Option<&'static str> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    for (bom, first) in [(b"\xff\xfe", b"<\0?\0"), (b"\xfe\xff", b"\0<\0?")] {
        if let Some(text) = head.strip_prefix(bom) {
            return Some(if text.starts_with(first) { "application/xml" } else { "text/plain" });
        }
    }
    let head = head.trim_ascii_start();
    if head.starts_with(b"<?xml") {
        let html =
            memchr::memmem::find(head, b"<html").or_else(|| memchr::memmem::find(head, b"<!DOCTYPE html"));
        return Some(if html.is_some() { "application/xhtml+xml" } else { "application/xml" });
    }
    let start: Vec<u8> = head.iter().take(14).map(u8::to_ascii_lowercase).collect();
    let html = [&b"<!doctype html"[..], b"<html", b"<head", b"<body"];
    html.iter().any(|tag| start.starts_with(tag)).then_some("text/html")
}

/// Text in UTF-8 (perhaps cut at the end) or in an 8-bit charset without control characters.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|b| *b >= 0x20 && *b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

/// Finds the media type of content that goes by in pieces.
#[derive(Debug, Default)]
pub struct Detector {
    head: Vec<u8>,
    zip: Option<ZipNames>,
}

impl Detector {
    /// The next octets.
    pub fn push(&mut self, octets: &[u8]) {
        if self.head.len() < HEAD_BYTES {
            let room = (HEAD_BYTES - self.head.len()).min(octets.len());
            self.head.extend_from_slice(octets.get(..room).unwrap_or_default());
            // Known from the fourth octet on; the first pieces are looked at again from the head.
            if self.zip.is_none() && self.head.starts_with(b"PK\x03\x04") {
                let mut zip = ZipNames::default();
                let before = self.head.len() - room;
                zip.push(self.head.get(..before).unwrap_or_default());
                self.zip = Some(zip);
            }
        }
        if let Some(zip) = &mut self.zip {
            zip.push(octets);
        }
    }

    /// The first octets ([`HEAD_BYTES`], or all if shorter).
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The media type, when all octets went by.
    #[must_use]
    pub fn finish(self) -> Option<&'static str> {
        match detect(&self.head) {
            Some(ZIP) => self.zip.and_then(ZipNames::finish).or(Some(ZIP)),
            other => other,
        }
    }
}

/// Looks for OOXML member names in the local headers of a ZIP file that goes by.
#[derive(Debug, Default)]
struct ZipNames {
    seen: u64,
    /// End of what was searched: a header and its name may lie across two pieces.
    tail: Vec<u8>,
    found: Option<&'static str>,
}

/// Local header up to and including the longest prefix in [`MEMBERS`].
const HEADER_AND_PREFIX: usize = 30 + 5;

impl ZipNames {
    fn push(&mut self, octets: &[u8]) {
        if self.found.is_some() || self.seen >= ZIP_BYTES {
            return;
        }
        let left = usize::try_from(ZIP_BYTES - self.seen).unwrap_or(usize::MAX);
        let octets = octets.get(..left.min(octets.len())).unwrap_or_default();
        self.seen += octets.len() as u64;
        let (bridge, _) = octets.split_at_checked(HEADER_AND_PREFIX).unwrap_or((octets, &[]));
        self.tail.extend_from_slice(bridge);
        self.found = search(&self.tail).or_else(|| search(octets));
        if octets.len() > HEADER_AND_PREFIX {
            self.tail.clear();
            self.tail.extend_from_slice(octets.get(octets.len() - HEADER_AND_PREFIX..).unwrap_or_default());
        } else if self.tail.len() > HEADER_AND_PREFIX {
            self.tail.drain(..self.tail.len() - HEADER_AND_PREFIX);
        }
    }

    fn finish(self) -> Option<&'static str> {
        self.found
    }
}

fn search(octets: &[u8]) -> Option<&'static str> {
    memchr::memmem::find_iter(octets, b"PK\x03\x04")
        .find_map(|at| octets.get(at + 30..).and_then(|name| member(name.get(..5).unwrap_or(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_header(name: &str, content: &str) -> Vec<u8> {
        let mut out = b"PK\x03\x04\x14\0\0\0\0\0".to_vec();
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(content.as_bytes());
        out
    }

    #[test]
    fn table() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b"%PDF-1.7\n%\xe2\xe3", Some("application/pdf")),
            (b"\r\n%PDF-1.4", Some("application/pdf")),
            (b"\x89PNG\r\n\x1a\n\0\0", Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"II*\0\x08", Some("image/tiff")),
            (b"\x1f\x8b\x08\0", Some("application/gzip")),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some("application/x-ole-storage")),
            (b"{\\rtf1\\ansi", Some("application/rtf")),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?><xbau/>", Some("application/xml")),
            (b"\xff\xfe<\0?\0x\0", Some("application/xml")),
            (b"<?xml version=\"1.0\"?>\n<html>", Some("application/xhtml+xml")),
            (b"\n <!DOCTYPE HTML><html>", Some("text/html")),
            ("Guten Tag, Grüße".as_bytes(), Some("text/plain")),
            (b"Gr\xfc\xdfe", Some("text/plain")),
            (b"\0\x01\x02", None),
            (b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", Some("application/pkcs7-mime")),
            (b"\x30\x82\x10\0\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", Some("application/pkcs7-mime")),
            (b"\x30\x82\x10\0\x30\x82", None),
            (b"MZ\x90\0\x03", Some("application/vnd.microsoft.portable-executable")),
            (b"MZ steht hier als Text", Some("text/plain")),
        ];
        for (head, want) in cases {
            assert_eq!(detect(head), *want, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn packages() {
        assert_eq!(detect(&local_header("a.txt", "")), Some("application/zip"));
        assert_eq!(
            detect(&local_header("mimetype", "application/vnd.oasis.opendocument.text")),
            Some("application/vnd.oasis.opendocument.text")
        );
        assert_eq!(
            detect(&local_header("mimetype", "application/vnd.etsi.asic-e+zip")),
            Some("application/vnd.etsi.asic-e+zip")
        );
        let mut docx = local_header("[Content_Types].xml", &"x".repeat(3_000));
        docx.extend(local_header("word/document.xml", "y"));
        for step in [1, 7, 33, 34, 35, 36, 100, 5_000] {
            let mut names = ZipNames::default();
            docx.chunks(step).for_each(|piece| names.push(piece));
            assert!(names.finish().is_some_and(|t| t.ends_with("wordprocessingml.document")), "by {step}");
        }
    }
}
