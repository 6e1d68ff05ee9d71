// SPDX-License-Identifier: EUPL-1.2
//! Notices to senders as delivery status notifications (RFC 3464, RFC 3834).
//!
//! Guarantees: never an answer to the null path, to a machine or to a list, so no
//! loop can form; the same failure gives the same Message-ID.

use poststelle_hub::notice::{Failure, Notice, Notices};
use poststelle_mail::build::Composer;
use poststelle_mail::dsn;
use poststelle_mail::mime::Mailbox;
use poststelle_model::{Message, Timestamp};

/// Writes notices in the name of a domain.
#[derive(Debug, Clone)]
pub struct MailNotices {
    /// Domain of the house's own addresses.
    pub domain: String,
}

impl MailNotices {
    fn postmaster(&self) -> Mailbox {
        Mailbox { name: Some("Poststelle".to_owned()), address: format!("postmaster@{}", self.domain) }
    }
}

impl Notices for MailNotices {
    fn failure(
        &self,
        message: &Message,
        header_id: &str,
        automatic: bool,
        failure: &Failure,
    ) -> Option<Notice> {
        let sender = message.transport.sender.as_str();
        let local = sender.split('@').next().unwrap_or_default().to_ascii_lowercase();
        if automatic || sender.is_empty() || local == "mailer-daemon" || local.starts_with("b-") {
            return None;
        }
        let status = dsn::Status::parse(&failure.status);
        let since = failure.accepted_at.berlin();
        let notice = dsn::Notice {
            from: self.postmaster(),
            to: Mailbox { name: None, address: sender.to_owned() },
            message_id: format!("notice.{}@{}", message.id, self.domain),
            date: failure.given_up_at.0 / 1_000_000,
            original_message_id: (!header_id.is_empty()).then(|| header_id.to_owned()),
            german: format!(
                "Ihre Nachricht vom {since} an {} konnte nicht zugestellt werden. {}",
                failure.recipient, failure.sentence
            ),
            english: format!(
                "Your message of {} to {} could not be delivered.",
                failure.accepted_at.rfc3339(),
                failure.recipient
            ),
            report: dsn::Report {
                original_envelope_id: (!message.transport.envelope_id.is_empty())
                    .then(|| message.transport.envelope_id.clone()),
                reporting_mta: Some(self.domain.clone()),
                arrival_date: None,
                recipients: vec![dsn::Recipient {
                    final_recipient: Some(failure.recipient.clone()),
                    original_recipient: None,
                    action: Some(dsn::Action::Failed),
                    status,
                    remote_mta: None,
                    diagnostic_code: None,
                    last_attempt: None,
                    will_retry_until: None,
                }],
                cut: None,
            },
            original_header: if header_id.is_empty() {
                Vec::new()
            } else {
                format!("Message-ID: <{header_id}>\r\n").into_bytes()
            },
        };
        let mut octets = Vec::new();
        if let Err(error) = notice.write_to(&dsn::Caps::default(), &mut octets) {
            tracing::warn!(%error, message = %message.id, "notice could not be written");
            return None;
        }
        Some(Notice { octets, recipient: sender.to_owned() })
    }

    fn canary(&self, id: &str, address: &str, at: Timestamp) -> Notice {
        let mut octets = Vec::new();
        let composer =
            Composer::new(self.postmaster(), format!("canary.{id}@{}", self.domain), at.0 / 1_000_000)
                .to(Mailbox { name: None, address: address.to_owned() })
                .subject("Kontrollnachricht der Poststelle")
                .text("Diese Nachricht prüft, ob E-Mail hinaus- und wieder hereinkommt.\r\n")
                .auto_submitted("auto-generated")
                .header("X-Poststelle-Canary", id);
        if let Err(error) = composer.write_to(&mut octets) {
            tracing::warn!(%error, "canary could not be written");
        }
        Notice { octets, recipient: address.to_owned() }
    }
}
