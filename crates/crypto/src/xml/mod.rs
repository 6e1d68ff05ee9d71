// SPDX-License-Identifier: EUPL-1.2
//! XML as signatures need it: read under caps, found by Id, canonicalised. The one door to bergshamra's parser and C14N.
//!
//! Guarantees: no DTD, no entity but the five of XML, no Id twice, nesting, size and work capped before the parser sees
//! a byte; nothing is fetched; [`Document::canonical`] gives exactly the octets of Canonical XML 1.0, 1.1 or Exclusive
//! (W3C, with or without comments) of the nodes asked for. Does not: judge anything, evaluate `XPath` or XSLT.

mod scan;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use bergshamra_c14n::canonicalize_doc_to;
pub use bergshamra_c14n::{C14nMode, C14nSink};
pub use bergshamra_xml::NodeId;
use bergshamra_xml::nodeset::{NodeIdSet, NodeSetType};
use bergshamra_xml::{NodeKind, NodeSet};

/// Namespace of XML Signature.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

/// How much XML is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Octets of the document.
    pub bytes: usize,
    /// Elements inside elements.
    pub depth: usize,
    /// Tags, comments, instructions together.
    pub markup: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Octets canonicalised for one document, all signatures together.
    pub canonicalised: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            bytes: 32 * 1024 * 1024,
            depth: 120,
            markup: 1_000_000,
            attributes: 500,
            canonicalised: 512 * 1024 * 1024,
        }
    }
}

/// Why a document is not read or not canonicalised. The text names the cap or the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A cap is crossed; which.
    #[error("cap crossed: {0}")]
    Cap(&'static str),
    /// Not well-formed, or a forbidden construct; what.
    #[error("not acceptable XML: {0}")]
    Form(String),
    /// The same Id twice: no reference to it can be trusted.
    #[error("Id {0:?} occurs twice")]
    DuplicateId(String),
}

/// The characters of a document: UTF-8, UTF-16 with byte order mark, or ISO-8859-1 by declaration.
///
/// # Errors
/// [`Refusal`] when it is too large or in another encoding.
pub fn text<'a>(octets: &'a [u8], caps: &Caps) -> Result<Cow<'a, str>, Refusal> {
    if octets.len() > caps.bytes {
        return Err(Refusal::Cap("size of the document"));
    }
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map(Cow::Owned)
            .map_err(|_| Refusal::Form("broken UTF-16".into()))
    };
    match octets {
        [0xfe, 0xff, rest @ ..] => return wide(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => return wide(rest, u16::from_le_bytes),
        _ => {}
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let head: String = octets.iter().take(200).map(|b| char::from(*b).to_ascii_lowercase()).collect();
    let declaration =
        head.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or("", |(d, _)| d);
    let named =
        declaration.split_once("encoding").map_or("", |(_, rest)| rest.trim_start_matches([' ', '=', '\t']));
    let named = named.trim_start_matches(['"', '\'']).split(['"', '\'']).next().unwrap_or("");
    match named {
        "" | "utf-8" | "utf8" | "us-ascii" => {
            std::str::from_utf8(octets).map(Cow::Borrowed).map_err(|_| Refusal::Form("broken UTF-8".into()))
        }
        "iso-8859-1" => Ok(Cow::Owned(octets.iter().map(|b| char::from(*b)).collect())),
        other => Err(Refusal::Form(format!("encoding {other:?} is not read"))),
    }
}

/// A document that was read. Borrows its text.
pub struct Document<'a> {
    tree: bergshamra_xml::Document<'a>,
    root: NodeId,
    ids: HashMap<String, NodeId>,
    left: Cell<usize>,
}

impl<'a> Document<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn read(text: &'a str, caps: &Caps) -> Result<Self, Refusal> {
        scan::scan(text.as_bytes(), caps)?;
        let tree = bergshamra_xml::uppsala::Parser::new()
            .with_forbid_dtd(true)
            .with_max_depth(u32::try_from(caps.depth).unwrap_or(u32::MAX))
            .parse(text)
            .map_err(|e| Refusal::Form(e.to_string().chars().take(200).collect()))?;
        let root = tree.document_element().ok_or_else(|| Refusal::Form("no element".into()))?;
        let mut ids = HashMap::new();
        for node in tree.descendants(tree.root()) {
            let Some(element) = tree.element(node) else { continue };
            let mut own: Option<&str> = None;
            for attribute in &element.attributes {
                if !is_id(attribute) || own == Some(&*attribute.value) {
                    continue;
                }
                own = Some(&*attribute.value);
                if ids.insert(attribute.value.to_string(), node).is_some() {
                    return Err(Refusal::DuplicateId(attribute.value.chars().take(100).collect()));
                }
            }
        }
        Ok(Self { tree, root, ids, left: Cell::new(caps.canonicalised) })
    }

    /// The document element.
    #[must_use]
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The element with this Id (`Id`, `ID`, `id`, `AssertionID`, `xml:id`, `wsu:Id`).
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<NodeId> {
        self.ids.get(id).copied()
    }

    /// All Ids of an element and what lies in it are looked at: is `node` the element `by_id` gives for its own Id?
    #[must_use]
    pub fn id_of(&self, node: NodeId) -> Option<&str> {
        self.tree.element(node)?.attributes.iter().find(|a| is_id(a)).map(|a| &*a.value)
    }

    /// Is it the element of this name?
    #[must_use]
    pub fn is(&self, node: NodeId, namespace: &str, name: &str) -> bool {
        self.tree.element(node).is_some_and(|e| e.matches_name_ns(namespace, name))
    }

    /// Local name of an element; empty for other nodes.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.tree.element(node).map_or("", |e| &*e.name.local_name)
    }

    /// Namespace of an element; empty = none.
    #[must_use]
    pub fn namespace(&self, node: NodeId) -> &str {
        self.tree.element(node).and_then(|e| e.name.namespace_uri.as_deref()).unwrap_or("")
    }

    /// Attribute without namespace.
    #[must_use]
    pub fn attribute(&self, node: NodeId, name: &str) -> Option<&str> {
        let element = self.tree.element(node)?;
        let plain =
            |a: &&bergshamra_xml::Attribute<'_>| a.name.namespace_uri.is_none() && a.name.local_name == name;
        element.attributes.iter().find(plain).map(|a| &*a.value)
    }

    /// Child elements, in order.
    #[must_use]
    pub fn elements(&self, node: NodeId) -> Vec<NodeId> {
        self.tree.children_iter(node).filter(|c| self.tree.element(*c).is_some()).collect()
    }

    /// First child element of this name.
    #[must_use]
    pub fn child(&self, node: NodeId, namespace: &str, name: &str) -> Option<NodeId> {
        self.elements(node).into_iter().find(|c| self.is(*c, namespace, name))
    }

    /// Elements of this name below `node`, or it itself, in document order.
    #[must_use]
    pub fn all(&self, node: NodeId, namespace: &str, name: &str) -> Vec<NodeId> {
        let mut found: Vec<_> =
            self.tree.descendants(node).into_iter().filter(|n| self.is(*n, namespace, name)).collect();
        if self.is(node, namespace, name) {
            found.insert(0, node);
        }
        found
    }

    /// All text in it, comments left out.
    #[must_use]
    pub fn content(&self, node: NodeId) -> String {
        self.tree.text_content_deep(node)
    }

    /// Is `inner` the same as `outer`, or inside it?
    #[must_use]
    pub fn within(&self, inner: NodeId, outer: NodeId) -> bool {
        let mut at = Some(inner);
        while let Some(node) = at {
            if node == outer {
                return true;
            }
            at = self.tree.parent(node);
        }
        false
    }

    /// The element around it.
    #[must_use]
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self.tree.parent(node).filter(|p| self.tree.element(*p).is_some())
    }

    /// What a prefix means at an element; `""` = default namespace.
    #[must_use]
    pub fn prefix(&self, node: NodeId, prefix: &str) -> Option<&str> {
        let mut at = Some(node);
        while let Some(node) = at {
            let declared = self.tree.element(node).and_then(|e| {
                e.namespace_declarations.iter().find(|(p, _)| p == prefix).map(|(_, uri)| &**uri)
            });
            if declared.is_some() {
                return declared;
            }
            at = self.tree.parent(node);
        }
        None
    }

    /// Where the start tag of an element ends and its end tag begins in the text; `None` for an empty tag `<a/>`.
    #[must_use]
    pub fn inside(&self, node: NodeId) -> Option<std::ops::Range<usize>> {
        let range = self.tree.node_range(node)?;
        let source = self.tree.input_text().get(range.clone())?;
        let end = range.start + source.rfind("</")?;
        Some(range.start..end)
    }

    /// For people: `/Envelope/Body#body`; equal siblings are numbered.
    #[must_use]
    pub fn path(&self, node: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = Some(node);
        while let Some(node) = at {
            let name = self.name(node);
            let same: Vec<_> = self.parent(node).map_or_else(Vec::new, |parent| {
                self.elements(parent).into_iter().filter(|n| self.name(*n) == name).collect()
            });
            let number = same.iter().position(|n| *n == node).map_or(1, |p| p + 1);
            steps.push(if same.len() > 1 { format!("/{name}[{number}]") } else { format!("/{name}") });
            at = self.parent(node);
        }
        steps.reverse();
        let id = self.id_of(node).map_or(String::new(), |id| format!("#{id}"));
        (steps.concat() + &id).chars().take(300).collect()
    }

    /// Everything of the document.
    #[must_use]
    pub fn whole(&self, comments: bool) -> Selection {
        let root = self.tree.root();
        Selection(if comments {
            NodeSet::tree_with_comments(root, &self.tree)
        } else {
            NodeSet::tree_without_comments(root, &self.tree)
        })
    }

    /// An element and what is in it.
    #[must_use]
    pub fn subtree(&self, node: NodeId, comments: bool) -> Selection {
        Selection(if comments {
            NodeSet::tree_with_comments(node, &self.tree)
        } else {
            NodeSet::tree_without_comments(node, &self.tree)
        })
    }

    /// Takes an element and what is in it out of a selection.
    pub fn remove(&self, from: &mut Selection, node: NodeId) {
        let mut gone = NodeIdSet::default();
        gone.insert(node.index());
        gone.extend(self.tree.descendants(node).iter().map(NodeId::index));
        let rest = NodeSet::from_ids(gone, NodeSetType::Invert);
        from.0 = from.0.intersection(&rest);
    }

    /// Is a node still in a selection?
    #[must_use]
    pub fn holds(&self, selection: &Selection, node: NodeId) -> bool {
        selection.0.contains_id(node)
    }

    /// All text that is in a selection.
    #[must_use]
    pub fn text_of(&self, selection: &Selection) -> String {
        let mut text = String::new();
        for node in self.tree.descendants(self.tree.root()) {
            if let Some(NodeKind::Text(t) | NodeKind::CData(t)) = self.tree.node_kind(node)
                && selection.0.contains_id(node)
            {
                text.push_str(t);
            }
        }
        text
    }

    /// Writes the canonical octets of a selection. `prefixes` are those of `InclusiveNamespaces` (exclusive modes).
    ///
    /// # Errors
    /// [`Refusal::Cap`] when this document was canonicalised too often.
    pub fn canonical<W: C14nSink>(
        &self,
        selection: &Selection,
        mode: C14nMode,
        prefixes: &[String],
        sink: &mut W,
    ) -> Result<(), Refusal> {
        let left = self.left.get().checked_sub(self.tree.input_text().len());
        self.left.set(left.ok_or(Refusal::Cap("octets canonicalised"))?);
        canonicalize_doc_to(&self.tree, mode, Some(&selection.0), prefixes, sink)
            .map_err(|e| Refusal::Form(e.to_string()))
    }
}

/// Nodes of one document.
#[derive(Clone)]
pub struct Selection(NodeSet);

fn is_id(attribute: &bergshamra_xml::Attribute<'_>) -> bool {
    const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    let name = &*attribute.name.local_name;
    match attribute.name.namespace_uri.as_deref() {
        None => matches!(name, "Id" | "ID" | "id" | "AssertionID"),
        Some("http://www.w3.org/XML/1998/namespace") => name == "id",
        Some(WSU) => name == "Id",
        Some(_) => false,
    }
}
