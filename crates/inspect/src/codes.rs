// SPDX-License-Identifier: EUPL-1.2
//! Codes of what the station notices in containers, formats and answers of scanners: all in one list.
//!
//! Guarantees: each has a German sentence `note-CODE` (tested). Parameters stand beside the code.

macro_rules! codes {
    ($($(#[$doc:meta])+ $name:ident = $code:literal;)+) => {
        $($(#[$doc])+ pub const $name: &str = $code;)+
        /// All of them.
        pub const ALL: &[&str] = &[$($code),+];
    };
}

codes! {
    /// More octets came out than the message may have. `cap`: octets.
    CAP_BYTES = "cap-bytes";
    /// Too much came out of too little. `cap`: times.
    CAP_RATIO = "cap-ratio";
    /// More members than the message may have. `cap`, sometimes `count`.
    CAP_MEMBERS = "cap-members";
    /// Containers in containers, too deep. `cap`.
    CAP_DEPTH = "cap-depth";
    /// A path is too long; its end is kept.
    CAP_PATH = "cap-path";
    /// It took too long. `cap`: seconds.
    CAP_TIME = "cap-time";
    /// Too large for a reader that needs the whole file. `cap`: octets.
    CAP_WHOLE = "cap-whole";
    /// Needs more memory to unpack than allowed. `cap`: octets.
    CAP_MEMORY = "cap-memory";

    /// Broken or cut off.
    UNPACK_DAMAGED = "unpack-damaged";
    /// The parser crashed and was caught.
    UNPACK_CRASHED = "unpack-crashed";
    /// Packed by a method that is not known. `method`.
    UNPACK_METHOD = "unpack-method";
    /// Protected by a password.
    MEMBER_ENCRYPTED = "member-encrypted";
    /// A link, not followed.
    MEMBER_LINK = "member-link";
    /// A device or the like.
    MEMBER_SPECIAL = "member-special";
    /// Octets before, between or after what belongs to the container.
    CONTAINER_JUNK = "container-junk";
    /// The two headers of a member, or the two counts, contradict each other.
    ZIP_DISAGREES = "zip-disagrees";
    /// Members share octets.
    ZIP_OVERLAP = "zip-overlap";

    /// A name that begins at the root or a drive.
    NAME_ABSOLUTE = "name-absolute";
    /// A name that climbs out of its folder.
    NAME_CLIMBS = "name-climbs";
    /// A name with backslashes, taken as folders.
    NAME_BACKSLASH = "name-backslash";
    /// A name with characters that turn the reading direction.
    NAME_BIDI = "name-bidi";
    /// A name with control characters.
    NAME_CONTROL = "name-control";
    /// Two members of equal name.
    NAME_TWICE = "name-twice";
    /// `Rechnung.pdf.exe`.
    NAME_DOUBLE_EXTENSION = "name-double-extension";

    /// The extension says something else than the content. `extension`, `detected`.
    TYPE_NAME = "type-name";
    /// The declared media type says something else than the content. `declared`, `detected`.
    TYPE_DECLARED = "type-declared";
    /// A program or script.
    EXECUTABLE = "executable";
    /// Two formats at once. `other`.
    POLYGLOT = "polyglot";
    /// An Outlook message.
    OUTLOOK_MESSAGE = "outlook-message";
    /// Could not be read as what it is.
    FORMAT_DAMAGED = "format-damaged";

    /// Macros in an Office document.
    OFFICE_MACROS = "office-macros";
    /// A document template is loaded from outside. `target`.
    OFFICE_TEMPLATE = "office-template";
    /// Something is loaded from outside. `target`.
    OFFICE_EXTERNAL = "office-external";
    /// Embedded objects.
    OFFICE_OBJECT = "office-object";
    /// DDE fields, which can start programs.
    OFFICE_DDE = "office-dde";
    /// An Office document with a password.
    OFFICE_ENCRYPTED = "office-encrypted";
    /// A ZIP file with members that need a password.
    ZIP_ENCRYPTED = "zip-encrypted";

    /// Encrypted.
    PDF_ENCRYPTED = "pdf-encrypted";
    /// JavaScript.
    PDF_JAVASCRIPT = "pdf-javascript";
    /// Something happens on opening.
    PDF_OPEN_ACTION = "pdf-open-action";
    /// Starts programs.
    PDF_LAUNCH = "pdf-launch";
    /// Files inside. `count`.
    PDF_EMBEDDED = "pdf-embedded";
    /// An XFA form.
    PDF_XFA = "pdf-xfa";
    /// Links to the outside. `count`.
    PDF_EXTERNAL = "pdf-external";
    /// Fonts that are not inside. `fonts`.
    PDF_FONTS = "pdf-fonts";
    /// Says it is PDF/A. `claim`.
    PDF_A = "pdf-a";
    /// Its compressed structure expands beyond all measure. `cap`: octets.
    PDF_BOMB = "pdf-bomb";

    /// HTML with scripts.
    HTML_SCRIPT = "html-script";
    /// SVG with scripts.
    SVG_SCRIPT = "svg-script";
    /// XML with a document type definition.
    XML_DTD = "xml-dtd";

    /// The scanner could not be reached.
    SCANNER_UNREACHABLE = "scanner-unreachable";
    /// The scanner did not answer in time.
    SCANNER_TIMEOUT = "scanner-timeout";
    /// The scanner's answer was no answer.
    SCANNER_ANSWER = "scanner-answer";
    /// Too large for the scanner.
    SCANNER_SIZE = "scanner-size";
    /// The scanner reported an error. `detail`.
    SCANNER_ERROR = "scanner-error";
    /// The octets could not be read.
    SCANNER_INPUT = "scanner-input";
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_has_a_german_sentence() {
        let texts = include_str!("../../hub/texts/de.ftl");
        let missing: Vec<_> = super::ALL
            .iter()
            .filter(|code| {
                !texts.lines().any(|l| l.starts_with(&format!("note-{code} = ")) && l.ends_with('.'))
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        let mut codes = super::ALL.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), super::ALL.len(), "codes are distinct");
    }
}
