// SPDX-License-Identifier: EUPL-1.2
//! What can go wrong with a hot folder, and what the hub is told about it.
//!
//! Guarantees: every [`Trouble`] answers whether another try helps, who must act, and whether the package
//! may already be visible (then the answer is `Unclear`, never "nothing happened").
//! Does not: hold octets or names of parts beyond their number; texts of the system are cut by `Reason`.

use std::io;
use std::path::Path;

use poststelle_hub::channel::{ChannelError, SendOutcome};
use poststelle_model::{Fault, Reason, Retry};

use super::Step;

/// Codes with the German sentence for the screen.
pub const CODES: &[(&str, &str)] = &[
    (
        "PST-HOTFOLDER-1001",
        "Die Einstellungen der Ordnerübergabe sind nicht lesbar ({ $detail }). Die Administration des Mandanten muss sie berichtigen.",
    ),
    (
        "PST-HOTFOLDER-1002",
        "Der Übergabeordner { $path } ist nicht vorhanden. Die Administration des Mandanten muss ihn anlegen oder das Netzlaufwerk wieder einbinden; danach geht es von selbst weiter.",
    ),
    (
        "PST-HOTFOLDER-1003",
        "{ $path } ist kein Ordner. Die Administration des Mandanten muss den Pfad berichtigen.",
    ),
    (
        "PST-HOTFOLDER-1004",
        "Der Übergabeordner { $path } liegt außerhalb der freigegebenen Verzeichnisse. Der Betrieb muss das Verzeichnis freigeben oder die Administration des Mandanten einen anderen Pfad eintragen.",
    ),
    (
        "PST-HOTFOLDER-1005",
        "Im Übergabeordner { $path } ist der Arbeitsordner „.poststelle“ unbrauchbar (Datei oder Verweis statt Ordner). Der Betrieb muss ihn prüfen; er gehört allein der Poststelle.",
    ),
    (
        "PST-HOTFOLDER-1006",
        "Das Dateisystem des Übergabeordners { $path } kennt keine harten Verknüpfungen; eine genau einmalige Übergabe ist dort nicht möglich. Der Betrieb muss den Ordner auf ein anderes Dateisystem legen.",
    ),
    (
        "PST-HOTFOLDER-1007",
        "Für Übergabeordner ist auf dieser Poststelle noch kein Verzeichnis freigegeben; { $path } wurde nicht eingetragen. Der Betrieb muss die Verzeichnisse freigeben (connect.hot_folder_roots).",
    ),
    (
        "PST-HOTFOLDER-1008",
        "Der Übergabeordner { $path } wurde nicht eingetragen: Ordner dieses Mandanten liegen unterhalb von { $allowed }. Die Administration des Mandanten muss einen Ordner dort eintragen; anlegen kann ihn der Betrieb.",
    ),
    (
        "PST-HOTFOLDER-2001",
        "Auf dem Datenträger des Übergabeordners { $path } ist kein Platz mehr. Der Betrieb muss Platz schaffen; danach geht es von selbst weiter.",
    ),
    (
        "PST-HOTFOLDER-2002",
        "Der Übergabeordner { $path } ist nur lesbar eingebunden. Der Betrieb muss ihn beschreibbar machen; danach geht es von selbst weiter.",
    ),
    (
        "PST-HOTFOLDER-2003",
        "Die Poststelle darf im Übergabeordner { $path } nicht schreiben. Der Betrieb muss ihr das Schreibrecht geben; danach geht es von selbst weiter.",
    ),
    (
        "PST-HOTFOLDER-2004",
        "Beim Schreiben in den Übergabeordner { $path } trat ein Fehler auf ({ $detail }). Es wird erneut versucht; hält der Fehler an, muss der Betrieb den Datenträger prüfen.",
    ),
    (
        "PST-HOTFOLDER-2005",
        "Im Übergabeordner { $path } gibt es schon einen fremden Ordner mit dem Namen der Übergabe. Die Administration des Mandanten muss ihn umbenennen oder entfernen.",
    ),
    (
        "PST-HOTFOLDER-2006",
        "Der Arbeitsordner „.poststelle“ in { $path } liegt auf einem anderen Datenträger als der Übergabeordner. Der Betrieb muss beide auf denselben Datenträger legen.",
    ),
    (
        "PST-HOTFOLDER-2007",
        "Die Übergabe wurde unterbrochen, bevor etwas sichtbar wurde. Es wird von selbst erneut versucht.",
    ),
    (
        "PST-HOTFOLDER-3001",
        "Die gespeicherte Nachricht stimmt nicht mit ihrer Prüfsumme überein; sie wurde nicht übergeben. Der Betrieb muss den Speicher prüfen und die Nachricht aus der Sicherung holen.",
    ),
    (
        "PST-HOTFOLDER-3002",
        "Bestandteil { $part } stimmt nicht mit seiner Prüfsumme überein; die Nachricht wurde nicht übergeben. Der Betrieb muss den Speicher prüfen.",
    ),
    (
        "PST-HOTFOLDER-4001",
        "Das Paket ist möglicherweise schon im Übergabeordner { $path }, das Sichern auf den Datenträger schlug aber fehl ({ $detail }). Es wird von selbst geklärt; hält der Fehler an, muss der Betrieb den Datenträger prüfen.",
    ),
    ("PST-HOTFOLDER-9001", "Die Übergabe wurde von einer Fehlerprobe beim Schritt { $step } abgebrochen."),
];

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The file system refused before anything became visible.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The package may be visible, but its durability is not certain.
    #[error("after the rename: {0}")]
    Visible(io::Error),
    /// The folder itself is gone.
    #[error("the folder is missing")]
    Missing,
    /// The path is something else than a folder.
    #[error("not a folder")]
    NotAFolder,
    /// The work folder is a file or a symbolic link.
    #[error("the work folder is not a folder")]
    BadWorkFolder,
    /// Hard links do not work there.
    #[error("no hard links: {0}")]
    NoLinks(io::Error),
    /// A folder that is not ours has the final name.
    #[error("the final name is taken")]
    Taken,
    /// Stored octets differ from the recorded digest; `None` = the original.
    #[error("digest mismatch, part {part:?}")]
    Digest {
        /// Number of the part.
        part: Option<i64>,
        /// Recorded.
        expected: String,
        /// Computed.
        found: String,
    },
    /// The work was dropped (shutdown, panic) before its end.
    #[error("interrupted")]
    Interrupted,
    /// A fault probe stopped us: as if the process had died there.
    #[error("stopped at {0:?}")]
    Stopped(Step),
    /// The hub could not give the octets.
    #[error("{0}")]
    Content(ChannelError),
}

impl Trouble {
    /// Why, and who must act.
    fn reason(&self, path: &Path) -> (Retry, Reason) {
        let new = |code, fault| Reason::new(code, fault).with("path", path.display());
        match self {
            Self::Io(error) => (Retry::Later, io_reason(error, path)),
            Self::Visible(error) => {
                (Retry::Later, new("PST-HOTFOLDER-4001", Fault::Operator).with("detail", error))
            }
            Self::Missing => (Retry::Later, new("PST-HOTFOLDER-1002", Fault::Tenant)),
            Self::NotAFolder => (Retry::Never, new("PST-HOTFOLDER-1003", Fault::Tenant)),
            Self::BadWorkFolder => (Retry::Later, new("PST-HOTFOLDER-1005", Fault::Operator)),
            Self::NoLinks(error) => {
                (Retry::Never, new("PST-HOTFOLDER-1006", Fault::Operator).with("detail", error))
            }
            Self::Taken => (Retry::Later, new("PST-HOTFOLDER-2005", Fault::Tenant)),
            Self::Digest { part: None, expected, found } => (
                Retry::Never,
                new("PST-HOTFOLDER-3001", Fault::Operator).with("expected", expected).with("found", found),
            ),
            Self::Digest { part: Some(n), expected, found } => (
                Retry::Never,
                new("PST-HOTFOLDER-3002", Fault::Operator)
                    .with("part", n)
                    .with("expected", expected)
                    .with("found", found),
            ),
            Self::Interrupted => (Retry::Later, Reason::new("PST-HOTFOLDER-2007", Fault::Nobody)),
            Self::Stopped(step) => (
                Retry::Later,
                Reason::new("PST-HOTFOLDER-9001", Fault::Nobody).with("step", format!("{step:?}")),
            ),
            Self::Content(error) => (error.retry, error.reason.clone()),
        }
    }

    /// As the hub hears it.
    pub(crate) fn into_outcome(self, path: &Path) -> Result<SendOutcome, ChannelError> {
        if let Self::Visible(_) = self {
            return Ok(SendOutcome::Unclear { reason: self.reason(path).1, receipt: None });
        }
        Err(self.into_error(path))
    }

    /// As an error: nothing was taken over.
    pub(crate) fn into_error(self, path: &Path) -> ChannelError {
        if let Self::Content(error) = self {
            return error;
        }
        let (retry, reason) = self.reason(path);
        ChannelError { retry, reason, after: None }
    }
}

/// The code for an error of the file system.
fn io_reason(error: &io::Error, path: &Path) -> Reason {
    use io::ErrorKind as K;
    let (code, fault) = match error.kind() {
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => ("PST-HOTFOLDER-2001", Fault::Operator),
        K::ReadOnlyFilesystem => ("PST-HOTFOLDER-2002", Fault::Operator),
        K::PermissionDenied => ("PST-HOTFOLDER-2003", Fault::Operator),
        K::NotFound => ("PST-HOTFOLDER-1002", Fault::Tenant),
        K::CrossesDevices => ("PST-HOTFOLDER-2006", Fault::Operator),
        _ => ("PST-HOTFOLDER-2004", Fault::Operator),
    };
    Reason::new(code, fault).with("path", path.display()).with("detail", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_sentence() {
        let path = Path::new("/srv/eingang");
        for (errno, code) in [
            (28, "PST-HOTFOLDER-2001"),
            (122, "PST-HOTFOLDER-2001"),
            (30, "PST-HOTFOLDER-2002"),
            (13, "PST-HOTFOLDER-2003"),
            (1, "PST-HOTFOLDER-2003"),
            (2, "PST-HOTFOLDER-1002"),
            (18, "PST-HOTFOLDER-2006"),
            (5, "PST-HOTFOLDER-2004"),
        ] {
            let error = Trouble::Io(io::Error::from_raw_os_error(errno)).into_error(path);
            assert_eq!((error.reason.code.as_str(), error.retry), (code, Retry::Later), "errno {errno}");
            assert!(CODES.iter().any(|(known, _)| *known == code));
        }
    }
}
