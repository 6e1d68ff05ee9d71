// SPDX-License-Identifier: EUPL-1.2
//! The one integration binary of the mail library.
#[path = "it/mime.rs"]
mod mime;
#[path = "it/smtp_client.rs"]
mod smtp_client;
#[path = "it/smtp_foreign.rs"]
mod smtp_foreign;
#[path = "it/smtp_server.rs"]
mod smtp_server;
#[path = "it/smtp_support.rs"]
mod smtp_support;
