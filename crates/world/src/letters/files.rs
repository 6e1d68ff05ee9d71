// SPDX-License-Identifier: EUPL-1.2
//! Files as people attach them: shaped like PDF, JPEG, DOCX, PKCS #7 and text, filled with what nothing compresses.
//!
//! Guarantees: a PDF has a right cross-reference table, a DOCX right CRC-32 sums; the length is the one asked
//! for or, where the shape needs more, the least possible. Does not: show anything worth reading.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::seed::Seed;

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One page, `%PDF-1.7`.
    Pdf,
    /// JFIF.
    Jpeg,
    /// A ZIP with the parts of a Word document, stored.
    Docx,
    /// DER of a signed message.
    P7m,
    /// German text, UTF-8, LF.
    Text,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pdf, Self::Jpeg, Self::Docx, Self::P7m, Self::Text];

    /// Usual extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Jpeg => "jpg",
            Self::Docx => "docx",
            Self::P7m => "p7m",
            Self::Text => "txt",
        }
    }

    /// Usual media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Jpeg => "image/jpeg",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::P7m => "application/pkcs7-mime",
            Self::Text => "text/plain",
        }
    }

    /// A file of about `len` octets.
    #[must_use]
    pub fn make(self, len: usize, chance: &mut Seed) -> Vec<u8> {
        match self {
            Self::Pdf => pdf(len, chance),
            Self::Jpeg => jpeg(len, chance),
            Self::Docx => docx(len, chance),
            Self::P7m => p7m(len, chance),
            Self::Text => text(len, chance),
        }
    }
}

/// Octets as base64 in lines of 76 characters, CRLF behind each.
pub fn base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    let mut text = String::with_capacity(octets.len() / 57 * 78 + 80);
    for line in octets.chunks(57) {
        STANDARD.encode_string(line, &mut text);
        text.push_str("\r\n");
    }
    out.extend_from_slice(text.as_bytes());
}

fn pdf(len: usize, chance: &mut Seed) -> Vec<u8> {
    let page = b"BT /F1 18 Tf 72 760 Td (Antrag an die Verwaltung) Tj ET";
    let padding = len.saturating_sub(900);
    let stream = |dictionary: &str, octets: &[u8]| {
        let mut object = format!("<< {dictionary} /Length {} >>\nstream\n", octets.len()).into_bytes();
        object.extend_from_slice(octets);
        object.extend_from_slice(b"\nendstream");
        object
    };
    let objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
          /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_vec(),
        stream("", page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_vec(),
        stream("/Type /EmbeddedFile", &chance.octets(padding)),
    ];
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        out.extend_from_slice(format!("{} 0 obj\n", i + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let table = out.len();
    out.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for offset in offsets {
        out.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let trailer =
        format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    out.extend_from_slice(trailer.as_bytes());
    out
}

fn jpeg(len: usize, chance: &mut Seed) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00".to_vec();
    let mut left = len.saturating_sub(out.len() + 2);
    while left > 4 {
        let piece = (left - 4).min(65_000);
        let length = u16::try_from(piece + 2).unwrap_or(u16::MAX);
        out.extend_from_slice(b"\xff\xfe");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&chance.octets(piece));
        left -= piece + 4;
    }
    out.extend_from_slice(b"\xff\xd9");
    out
}

fn docx(len: usize, chance: &mut Seed) -> Vec<u8> {
    let types = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Types \
        xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"xml\" \
        ContentType=\"application/xml\"/></Types>"
        .to_vec();
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document \
        xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body><w:p><w:r>\
        <w:t>Antrag nach § 64 LBauO M-V</w:t></w:r></w:p></w:body></w:document>"
        .as_bytes()
        .to_vec();
    let padding = len.saturating_sub(types.len() + document.len() + 360);
    let entries = [
        ("[Content_Types].xml", types),
        ("word/document.xml", document),
        ("word/media/image1.bin", chance.octets(padding)),
    ];
    zip(&entries)
}

/// A ZIP of stored entries.
#[must_use]
pub fn zip(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<Entry<'_>> =
        entries.iter().map(|(name, octets)| (*name, octets.as_slice(), None)).collect();
    archive(&entries)
}

/// A ZIP with one entry of `len` zeros, deflated: about a thousandth of it.
#[must_use]
pub fn zip_zeros(name: &str, len: usize) -> Vec<u8> {
    use std::io::Write;
    let zeros = vec![0; len];
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing to memory does not fail.
    let packed = packed.write_all(&zeros).and_then(|()| packed.finish()).unwrap_or_default();
    archive(&[(name, &zeros, Some(packed))])
}

/// Name, octets, and these deflated; `None` = stored.
type Entry<'a> = (&'a str, &'a [u8], Option<Vec<u8>>);

fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    let le32 = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let le16 = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes();
    for (name, octets, deflated) in entries {
        let packed = deflated.as_deref().unwrap_or(octets);
        let offset = out.len();
        // Version 2.0, UTF-8 names, method, 23.11.2026 08:00.
        let method = if deflated.is_some() { 8 } else { 0 };
        let mut common = vec![0x14, 0, 0, 8, method, 0, 0, 0x40, 0x77, 0x5d];
        common.extend_from_slice(&crc32(octets).to_le_bytes());
        common.extend_from_slice(&le32(packed.len()));
        common.extend_from_slice(&le32(octets.len()));
        common.extend_from_slice(&le16(name.len()));
        common.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(packed);
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&le32(offset));
        directory.extend_from_slice(name.as_bytes());
    }
    let start = out.len();
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend_from_slice(&le16(entries.len()));
    out.extend_from_slice(&le16(entries.len()));
    out.extend_from_slice(&le32(directory.len()));
    out.extend_from_slice(&le32(start));
    out.extend_from_slice(&[0, 0]);
    out
}

/// CRC-32 as in ZIP (ISO 3309).
fn crc32(octets: &[u8]) -> u32 {
    let mut table = [0_u32; 256];
    for (i, slot) in table.iter_mut().enumerate() {
        let mut value = u32::try_from(i).unwrap_or(0);
        for _ in 0..8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
        }
        *slot = value;
    }
    let mut crc = u32::MAX;
    for octet in octets {
        let at = usize::try_from((crc ^ u32::from(*octet)) & 0xff).unwrap_or(0);
        crc = table.get(at).copied().unwrap_or(0) ^ (crc >> 8);
    }
    !crc
}

fn p7m(len: usize, chance: &mut Seed) -> Vec<u8> {
    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        if content.len() < 0x80 {
            out.push(u8::try_from(content.len()).unwrap_or(0));
        } else {
            out.push(0x84);
            out.extend_from_slice(&u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
        }
        out.extend_from_slice(content);
        out
    }
    // id-signedData, 1.2.840.113549.1.7.2
    let oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let payload = tlv(0x04, &chance.octets(len.saturating_sub(40)));
    let mut content = oid.to_vec();
    content.extend_from_slice(&tlv(0xa0, &tlv(0x30, &payload)));
    tlv(0x30, &content)
}

fn text(len: usize, chance: &mut Seed) -> Vec<u8> {
    let mut out = String::with_capacity(len + 100);
    while out.len() < len.max(20) {
        out.push_str(super::words::sentence(chance));
        out.push('\n');
    }
    let mut end = len.max(20);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_length_and_shape() {
        let mut chance = Seed::new(3);
        for shape in Shape::ALL {
            for len in [0, 2_000, 100_000] {
                let file = shape.make(len, &mut chance);
                assert!(file.len() + 300 > len && file.len() < len + 1_200, "{shape:?} {len} {}", file.len());
            }
        }
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let pdf = Shape::Pdf.make(5_000, &mut chance);
        let tail = String::from_utf8_lossy(&pdf[pdf.len() - 40..]).into_owned();
        let at: usize = tail.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(pdf[at..].starts_with(b"xref\n0 7\n"));
    }
}
