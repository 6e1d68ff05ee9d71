// SPDX-License-Identifier: EUPL-1.2
//! The mail channel: SMTP in ([`MailReceiver`]), SMTP out ([`MailChannel`]), the
//! message format ([`MailFormat`]) and notices to senders ([`MailNotices`]).

mod format;
mod notices;
mod receive;
mod send;

pub use format::MailFormat;
pub use notices::MailNotices;
pub use receive::MailReceiver;
pub use send::{Direct, MailChannel, MailRoutes};
