// SPDX-License-Identifier: EUPL-1.2
//! The mail channel: SMTP in ([`MailReceiver`]), SMTP out ([`MailChannel`]), the
//! message format ([`MailFormat`]), notices to senders ([`MailNotices`]) and letters of people ([`MailLetters`]).

mod format;
mod letters;
mod notices;
mod receive;
mod send;

pub use format::MailFormat;
pub use letters::MailLetters;
pub use notices::MailNotices;
pub use receive::MailReceiver;
pub use send::{Direct, MailChannel, MailRoutes};
