// SPDX-License-Identifier: EUPL-1.2
//! Makes files no decent program makes: ZIP files whose parts lie, PDF files and compound files from pieces.

use std::io::Write;

use flate2::{Compression, Crc};

/// Raw deflate.
pub fn deflate(octets: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

/// zlib, as PDF wants it.
pub fn zlib(octets: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

/// gzip without a name.
pub fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

/// CRC-32.
pub fn crc32(octets: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(octets);
    crc.sum()
}

/// What the headers of a ZIP member say.
#[derive(Clone, Default)]
pub struct Head {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub size: u32,
    pub mode: u32,
    pub offset: u32,
}

impl Head {
    fn common(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for n in [20, self.flags, self.method, 0, 0] {
            out.extend(n.to_le_bytes());
        }
        for n in [self.crc, self.packed, self.size] {
            out.extend(n.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out
    }

    /// Local header.
    pub fn local(&self) -> Vec<u8> {
        [b"PK\x03\x04".as_slice(), &self.common(), &[0, 0], &self.name].concat()
    }

    /// Entry of the central directory; made on Unix.
    pub fn central(&self) -> Vec<u8> {
        let attributes = (self.mode << 16).to_le_bytes();
        let offset = self.offset.to_le_bytes();
        [b"PK\x01\x02\x14\x03".as_slice(), &self.common(), &[0; 8], &attributes, &offset, &self.name].concat()
    }
}

/// End record.
pub fn end(entries: u16, size: usize, offset: usize) -> Vec<u8> {
    let count = entries.to_le_bytes();
    let (size, offset) = ((size as u32).to_le_bytes(), (offset as u32).to_le_bytes());
    [b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &size, &offset, &[0, 0]].concat()
}

/// A good ZIP file: name, content; `d:` before a name deflates.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let (name, data, method) = match name.strip_prefix("d:") {
            Some(name) => (name, deflate(content), 8),
            None => (*name, content.to_vec(), 0),
        };
        let head = Head {
            name: name.into(),
            method,
            crc: crc32(content),
            packed: data.len() as u32,
            size: content.len() as u32,
            offset: out.len() as u32,
            ..Head::default()
        };
        out.extend(head.local());
        out.extend(data);
        directory.extend(head.central());
    }
    close(out, &directory, members.len())
}

/// Adds directory and end.
pub fn close(mut out: Vec<u8>, directory: &[u8], entries: usize) -> Vec<u8> {
    let offset = out.len();
    out.extend(directory);
    out.extend(end(entries as u16, directory.len(), offset));
    out
}

/// A PDF file of these objects, numbered from 1; the first is the catalogue. `trailer` is added to the trailer.
pub fn pdf(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut xref = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (n, object) in objects.iter().enumerate() {
        xref.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.extend(format!("{} 0 obj\n", n + 1).into_bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let at = out.len();
    let size = objects.len() + 1;
    out.extend(
        format!("{xref}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{at}\n%%EOF\n")
            .into_bytes(),
    );
    out
}

/// A stream object.
pub fn stream(dictionary: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("<< {dictionary} /Length {} >>\nstream\n", content.len());
    [head.as_bytes(), content, b"\nendstream"].concat()
}

/// A compound file (version 3) with empty streams of these names below the root.
pub fn compound(names: &[&str]) -> Vec<u8> {
    let entries: Vec<Vec<u8>> = std::iter::once(("Root Entry", 5u8))
        .chain(names.iter().map(|n| (*n, 2)))
        .enumerate()
        .map(|(n, (name, kind))| {
            let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let len = entry.len() as u16 + 2;
            entry.resize(64, 0);
            entry.extend(len.to_le_bytes());
            entry.extend([kind, 1]);
            // Siblings form a list to the right, which is a tree, if an ugly one.
            let right = if n > 0 && n < names.len() { n as u32 + 1 } else { u32::MAX };
            let child = if n == 0 && !names.is_empty() { 1 } else { u32::MAX };
            for link in [u32::MAX, right, child] {
                entry.extend(link.to_le_bytes());
            }
            entry.resize(116, 0);
            entry.extend(0xffff_fffe_u32.to_le_bytes());
            entry.resize(128, 0);
            entry
        })
        .collect();
    let mut directory = entries.concat();
    directory.resize(directory.len().next_multiple_of(512), 0);
    let sectors = directory.len() / 512;
    let mut head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    head.resize(24, 0);
    for n in [0x3e_u16, 3, 0xfffe, 9, 6] {
        head.extend(n.to_le_bytes());
    }
    head.resize(44, 0);
    for n in [1u32, 1, 0, 4096, 0xffff_fffe, 0, 0xffff_fffe, 0, 0] {
        head.extend(n.to_le_bytes());
    }
    head.resize(512, 0xff);
    let mut table = 0xffff_fffd_u32.to_le_bytes().to_vec();
    for n in 1..=sectors {
        table.extend(if n == sectors { 0xffff_fffe } else { n as u32 + 1 }.to_le_bytes());
    }
    table.resize(512, 0xff);
    [head, table, directory].concat()
}
