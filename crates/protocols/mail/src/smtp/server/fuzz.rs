// SPDX-License-Identifier: EUPL-1.2
//! A session driven by arbitrary octets: the body of a fuzz target, also used with random input in tests.
//!
//! Guarantees checked: no panic, no endless loop, at most one command line held back, and the message given
//! out never holds CRLF `.` CRLF unless the peer had stuffed it.

use super::{AuthPolicy, Config, Identity, Peer, Session, Step, session::Ask};
use crate::smtp::{Reply, TlsInfo};
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Feeds `data` to a session in pieces whose lengths come from the data, answering what it asks.
///
/// # Panics
/// When the session breaks one of its promises: that is what it is for.
pub fn fuzz_session(data: &[u8]) {
    let Some((&how, data)) = data.split_first() else { return };
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 25));
    let peer =
        Peer { session: 1, address: here, local: here, helo: None, esmtp: false, tls: None, identity: None };
    let mut config = Config { auth: AuthPolicy::Always, ..Config::default() };
    config.limits.message_size = 512;
    config.limits.line = 256;
    let mut session = Session::new(Arc::new(config), peer, how & 1 != 0);
    session.greet(Ok(()));
    let mut buf = BytesMut::new();
    let mut rest = data;
    let mut message = 0_u64;
    let no = || Reply::new(550, (5, 1, 1), "no");
    loop {
        // Enough for every octet to cause a step and every step a question.
        match session.step(&mut buf) {
            Step::Read => {
                assert!(buf.len() <= 256, "held back {}", buf.len());
                if rest.is_empty() {
                    return;
                }
                let n = rest.first().map_or(1, |&b| usize::from(b & how) % 61 + 1).min(rest.len());
                let (piece, tail) = rest.split_at(n);
                buf.extend_from_slice(piece);
                rest = tail;
            }
            Step::Ask(Ask::Auth { user, .. }) => {
                session.answer_auth(Ok((user.len() % 2 == 0).then_some(Identity(user))));
            }
            Step::Ask(Ask::Mail) => session.answer_mail(Ok(())),
            Step::Ask(Ask::Recipient(r)) => {
                let verdict = if r.address.local().len() % 3 == 0 { Err(no()) } else { Ok(()) };
                session.answer_recipient(r, verdict);
            }
            Step::Ask(Ask::Data) => {
                assert!(session.take_envelope().is_some_and(|e| !e.recipients.is_empty()));
                message = 0;
                session.answer_data(Ok(()));
            }
            Step::Data(chunk) => {
                message += chunk.len() as u64;
                assert!(message <= 512, "more than the cap was given out");
                if how & 2 != 0 && chunk.first() == Some(&b'!') {
                    session.refuse_data(no());
                }
            }
            Step::TooBig => {}
            Step::EndOfData(seen) => {
                assert_eq!(seen.octets, message);
                session.answer_message(Reply::ok("taken"));
            }
            Step::StartTls => {
                buf.clear();
                session.tls_started(TlsInfo {
                    version: String::new(),
                    cipher: String::new(),
                    peer_certificate_sha256: None,
                    server_name: None,
                    verified: Ok(()),
                });
            }
            Step::Close => return,
        }
        session.output().clear();
    }
}
