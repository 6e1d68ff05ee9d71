// SPDX-License-Identifier: EUPL-1.2
//! The byte stream under a session and what is known about its TLS layer.
//!
//! Guarantees: [`TlsInfo`] names protocol version, cipher suite and the SHA-256 of the peer's end-entity
//! certificate as it was in the handshake. Not guaranteed: trust; see `verified`.

use poststelle_crypto::digest;
use rustls::CommonState;
use std::fmt;
use tokio::io::{AsyncRead, AsyncWrite};

/// Any byte stream a session can run on: TCP, TLS, or a pipe in a test.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What is known about a TLS layer; kept with the message as proof of the transport.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// E.g. `TLSv1_3`.
    pub version: String,
    /// E.g. `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// SHA-256 over the DER of the peer's certificate, if it showed one.
    pub peer_certificate_sha256: Option<[u8; 32]>,
    /// Server name: as asked for by the client (server side, SNI) or as we asked (client side).
    pub server_name: Option<String>,
    /// Client side: `Ok` when the certificate verified for the host, else why not. Server side: `Ok` when a
    /// client certificate was shown (rustls has checked it), else an `Err` saying there was none.
    pub verified: Result<(), String>,
}

impl TlsInfo {
    pub(crate) fn new(
        state: &CommonState,
        server_name: Option<String>,
        verified: Result<(), String>,
    ) -> Self {
        Self {
            version: state.protocol_version().map_or_else(|| "unknown".into(), |v| format!("{v:?}")),
            cipher: state
                .negotiated_cipher_suite()
                .map_or_else(|| "unknown".into(), |s| format!("{:?}", s.suite())),
            peer_certificate_sha256: state
                .peer_certificates()
                .and_then(|c| c.first())
                .map(|c| digest::sha256(c)),
            server_name,
            verified,
        }
    }

    /// The certificate fingerprint in lower-case hex.
    pub fn fingerprint(&self) -> Option<String> {
        self.peer_certificate_sha256.map(|d| digest::hex(&d))
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version)
            .field("cipher", &self.cipher)
            .field("peer_certificate_sha256", &self.fingerprint())
            .field("server_name", &self.server_name)
            .field("verified", &self.verified)
            .finish()
    }
}
