// SPDX-License-Identifier: EUPL-1.2
//! A sheet as people read it, before it is HTML or PDF: headings, sentences, tables. Texts are German and ready.

/// A document to be read from top to bottom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Face {
    /// Title of the document.
    pub title: String,
    /// What it is about, one line below the title.
    pub about: String,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// Something in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading of level 2 or 3; the title is level 1.
    Heading {
        /// 2 or 3.
        level: u8,
        /// Its text.
        text: String,
    },
    /// A paragraph.
    Text(String),
    /// Something that must not be missed.
    Alert {
        /// How serious.
        tone: Tone,
        /// In a few words.
        title: String,
        /// And why.
        text: String,
    },
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A list.
    List(Vec<String>),
    /// A table; the first cell of each row heads it.
    Table {
        /// What it shows.
        caption: String,
        /// Heads of the columns.
        head: Vec<String>,
        /// Rows, as wide as the head.
        rows: Vec<Vec<String>>,
    },
}

/// How serious something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Good.
    Success,
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// Dangerous.
    Danger,
}
