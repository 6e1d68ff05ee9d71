// SPDX-License-Identifier: EUPL-1.2
//! Distinguished names (RFC 5280 §4.1.2.4) and when two are the same (§7.1).
//!
//! Guarantees: comparison ignores string type, case and repeated blanks, as certificates are compared in practice.
//! Does not: apply the whole of RFC 4518 (no normalisation of composed characters).

use crate::asn1::{Node, Oid, Read, Reader, oid, tag};

/// A distinguished name.
#[derive(Clone)]
pub struct Name {
    der: Vec<u8>,
    /// Attributes in their order, with the number of their RDN.
    attributes: Vec<(usize, Oid, String)>,
    folded: Vec<Vec<(Oid, String)>>,
}

impl Name {
    /// Reads the SEQUENCE of RDNs; at most 100.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(node: &Node<'_>) -> Read<Self> {
        let mut attributes = Vec::new();
        let mut folded = Vec::new();
        for (number, rdn) in node.reader().all(100)?.into_iter().enumerate() {
            let mut same = Vec::new();
            for pair in rdn.tagged(tag::SET)?.reader().all(20)? {
                let mut pair = pair.tagged(tag::SEQUENCE)?.reader();
                let kind = pair.oid()?;
                let text = pair.next_node()?.text();
                same.push((kind, fold(&text)));
                attributes.push((number, kind, text));
            }
            same.sort_unstable();
            folded.push(same);
        }
        Ok(Self { der: node.whole.to_vec(), attributes, folded })
    }

    /// Reads DER.
    ///
    /// # Errors
    /// When it is no name.
    pub fn from_der(der: &[u8]) -> Read<Self> {
        Self::read(&Reader::only(der, tag::SEQUENCE)?)
    }

    /// Its octets.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Is there nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// First value of an attribute; empty = not there.
    #[must_use]
    pub fn value(&self, kind: Oid) -> &str {
        self.attributes.iter().find(|(_, k, _)| *k == kind).map_or("", |(_, _, text)| text)
    }

    /// Organisation; empty = none.
    #[must_use]
    pub fn organisation(&self) -> &str {
        self.value(oid::ORGANISATION)
    }

    /// Common name, else the whole name.
    #[must_use]
    pub fn short(&self) -> String {
        match self.value(oid::CN) {
            "" => self.to_string(),
            name => name.to_owned(),
        }
    }

    /// Are these the first RDNs of that name?
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.folded.starts_with(&self.folded)
    }
}

fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der || self.folded == other.folded
    }
}

impl Eq for Name {}

/// As RFC 4514 writes names, most significant last.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before: Option<usize> = None;
        for (number, kind, text) in self.attributes.iter().rev() {
            if let Some(before) = before {
                f.write_str(if before == *number { "+" } else { "," })?;
            }
            before = Some(*number);
            match *kind {
                oid::CN => f.write_str("CN")?,
                oid::SURNAME => f.write_str("SN")?,
                oid::SERIAL_NUMBER => f.write_str("serialNumber")?,
                oid::COUNTRY => f.write_str("C")?,
                oid::LOCALITY => f.write_str("L")?,
                oid::STATE => f.write_str("ST")?,
                oid::ORGANISATION => f.write_str("O")?,
                oid::UNIT => f.write_str("OU")?,
                oid::GIVEN_NAME => f.write_str("GN")?,
                oid::PSEUDONYM => f.write_str("pseudonym")?,
                oid::EMAIL => f.write_str("emailAddress")?,
                other => write!(f, "{other}")?,
            }
            f.write_str("=")?;
            for c in text.chars() {
                match c {
                    ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => write!(f, "\\{c}")?,
                    c if c.is_control() => f.write_str("\u{fffd}")?,
                    c => write!(f, "{c}")?,
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
