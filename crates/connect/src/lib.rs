// SPDX-License-Identifier: EUPL-1.2
//! Hand-over of messages to specialist applications (*Fachverfahren*).
//!
//! Each module is one way of handing over, as a [`poststelle_hub::channel::Channel`]:
//! [`hot_folder`] puts a complete package into a folder, [`webhook`] posts an event with links to the parts.
//!
//! Guarantees: a hand-over is repeatable under its idempotency key; what is handed over was compared with
//! the digests recorded when the message was accepted; every failure carries a stable code of [`codes`].
//! Does not: decide what goes where, retry by itself, or write the database.

pub mod hot_folder;
pub mod sheet;
pub mod webhook;

/// The stable codes of this crate with the German sentence for the screen: what happened, who must act.
/// `{ $name }` are the parameters of the reason, in the notation of Project Fluent.
pub fn codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    hot_folder::CODES.iter().chain(webhook::CODES).copied()
}
