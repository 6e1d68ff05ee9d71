// SPDX-License-Identifier: EUPL-1.2
//! What names and declared media types promise about content.
//!
//! Guarantees: a table, no guessing; a type or extension that is not in it promises nothing.

const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const SHEET: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const SLIDES: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const OLE: &str = "application/x-ole-storage";
const ZIP: &str = "application/zip";

/// Extensions, media types that promise the same, what the content may be found to be.
///
/// OOXML documents with a password are compound files; their telling members may lie too far behind to be seen.
const PROMISES: &[(&[&str], &[&str], &[&str])] = &[
    (&["pdf"], &["application/pdf"], &["application/pdf"]),
    (&["docx", "docm", "dotx", "dotm"], &[WORD], &[WORD, OLE, ZIP]),
    (&["xlsx", "xlsm", "xltx"], &[SHEET], &[SHEET, OLE, ZIP]),
    (&["pptx", "pptm"], &[SLIDES], &[SLIDES, OLE, ZIP]),
    (&["doc", "dot"], &["application/msword"], &[OLE, "application/rtf", WORD]),
    (&["xls"], &["application/vnd.ms-excel"], &[OLE, SHEET]),
    (&["ppt"], &["application/vnd.ms-powerpoint"], &[OLE, SLIDES]),
    (&["msg"], &["application/vnd.ms-outlook"], &[OLE]),
    (&["rtf"], &["application/rtf", "text/rtf"], &["application/rtf"]),
    (&["odt"], &["application/vnd.oasis.opendocument.text"], &["application/vnd.oasis.opendocument.text"]),
    (
        &["ods"],
        &["application/vnd.oasis.opendocument.spreadsheet"],
        &["application/vnd.oasis.opendocument.spreadsheet"],
    ),
    (&["zip"], &["application/zip", "application/x-zip-compressed"], &[ZIP]),
    (&["7z"], &["application/x-7z-compressed"], &["application/x-7z-compressed"]),
    (&["gz", "tgz"], &["application/gzip", "application/x-gzip"], &["application/gzip"]),
    (&["tar"], &["application/x-tar"], &["application/x-tar"]),
    (&["rar"], &["application/vnd.rar"], &["application/vnd.rar"]),
    (&["jpg", "jpeg"], &["image/jpeg"], &["image/jpeg"]),
    (&["png"], &["image/png"], &["image/png"]),
    (&["gif"], &["image/gif"], &["image/gif"]),
    (&["tif", "tiff"], &["image/tiff"], &["image/tiff"]),
    (&["bmp"], &["image/bmp"], &["image/bmp"]),
    (&["webp"], &["image/webp"], &["image/webp"]),
    (&["heic"], &["image/heic"], &["image/heic", "image/heif"]),
    (&["mp4"], &["video/mp4"], &["video/mp4"]),
    (&["mp3"], &["audio/mpeg"], &["audio/mpeg"]),
    (&["xml"], &["application/xml", "text/xml"], &["application/xml", "application/xhtml+xml", "text/plain"]),
    (
        &["html", "htm"],
        &["text/html"],
        &["text/html", "application/xhtml+xml", "application/xml", "text/plain"],
    ),
    (
        &["txt", "csv", "json", "ics", "eml", "md", "log"],
        &["text/plain", "text/csv", "application/json", "text/calendar", "message/rfc822"],
        &["text/plain", "text/html", "application/xml", "application/xhtml+xml"],
    ),
];

/// Extensions a double click runs.
const RUNS: &[&str] = &[
    "exe", "scr", "com", "pif", "bat", "cmd", "ps1", "psm1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta",
    "msi", "msp", "lnk", "jar", "reg", "dll", "cpl", "chm", "scf", "url", "appx", "msix", "sh", "app", "dmg",
    "deb", "rpm", "apk",
];

/// Media types of programs.
const PROGRAMS: &[&str] = &[
    "application/vnd.microsoft.portable-executable",
    "application/x-executable",
    "application/x-mach-binary",
    "application/java-vm",
    "application/x-ms-shortcut",
];

/// The extension, lower case; empty = none.
pub(super) fn extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.rsplit_once('.').map(|(_, e)| e.trim().to_lowercase()).unwrap_or_default()
}

/// Does the content break what its name promises?
pub(super) fn breaks_name(extension: &str, detected: &str) -> bool {
    let promise = PROMISES.iter().find(|(extensions, _, _)| extensions.contains(&extension));
    promise.is_some_and(|(_, _, found)| !found.contains(&detected))
}

/// Does the content break what the declared media type promises?
pub(super) fn breaks_declared(declared: &str, detected: &str) -> bool {
    let declared = declared.split(';').next().unwrap_or_default().trim().to_lowercase();
    let promise = PROMISES.iter().find(|(_, types, _)| types.contains(&declared.as_str()));
    promise.is_some_and(|(_, _, found)| !found.contains(&detected))
}

/// A program, by content or by name?
pub(super) fn is_program(extension: &str, detected: &str) -> bool {
    PROGRAMS.contains(&detected) || RUNS.contains(&extension)
}

/// `Rechnung.pdf.exe`: the last extension runs, the one before promises a document.
pub(super) fn is_double(name: &str) -> bool {
    let (Some((stem, _)), last) = (name.rsplit_once('.'), extension(name)) else { return false };
    let before = extension(stem);
    RUNS.contains(&last.as_str())
        && PROMISES.iter().any(|(extensions, _, _)| extensions.contains(&before.as_str()))
}

/// ZIP files that are one document.
pub(super) fn is_document(detected: &str) -> bool {
    [WORD, SHEET, SLIDES].contains(&detected) || detected.starts_with("application/vnd.oasis.opendocument.")
}

/// Compound file?
pub(super) fn is_ole(detected: &str) -> bool {
    detected == OLE
}

/// ZIP file of any kind?
pub(super) fn is_zip(detected: &str) -> bool {
    detected == ZIP
        || is_document(detected)
        || detected.starts_with("application/vnd.etsi.asic")
        || detected == "application/epub+zip"
}
