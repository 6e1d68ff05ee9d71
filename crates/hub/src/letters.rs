// SPDX-License-Identifier: EUPL-1.2
//! Letters of people: read and written by a protocol, sent like any message.

use std::io::{Read, Write};

use poststelle_model::Timestamp;

/// Somebody with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correspondent {
    /// Name on screen; may be empty.
    pub name: String,
    /// Address.
    pub address: String,
}

/// What is enclosed in a letter.
pub struct Enclosure {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its octets; may block.
    pub octets: Box<dyn Read + Send>,
}

/// A letter ready to be written. The same letter always gives the same octets.
pub struct Letter {
    /// Unique; becomes its Message-ID.
    pub id: String,
    /// Its date.
    pub at: Timestamp,
    /// From whom.
    pub from: Correspondent,
    /// To whom.
    pub to: Vec<Correspondent>,
    /// To whom copies go.
    pub copies: Vec<Correspondent>,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Message-IDs of the thread it goes on, oldest first.
    pub thread: Vec<String>,
    /// Does it answer the last one of them?
    pub answers: bool,
    /// What is enclosed.
    pub enclosures: Vec<Enclosure>,
}

/// Reads addresses and writes letters.
pub trait Letters: Send + Sync {
    /// The recipients in a text as people type it, without repeats.
    ///
    /// # Errors
    /// The first piece that is no address.
    fn recipients(&self, text: &str) -> Result<Vec<Correspondent>, String>;

    /// Can this be a Message-ID?
    fn is_message_id(&self, id: &str) -> bool;

    /// A safe file name for an attachment called `name`.
    fn file_name(&self, name: &str, media_type: &str) -> String;

    /// Writes a letter, piece by piece; blocks.
    ///
    /// # Errors
    /// When an enclosure cannot be read or the output fails: what was written until then is no letter.
    fn write(&self, letter: Letter, out: &mut dyn Write) -> std::io::Result<()>;
}
