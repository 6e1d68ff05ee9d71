// SPDX-License-Identifier: EUPL-1.2
//! TLS settings of the client: one strict, one that lets every certificate pass but still judges it.
//!
//! Guarantees: `RequireStartTls` and `Implicit` fail unless the certificate verifies for the host. Opportunistic
//! TLS verifies the handshake signature (the peer holds the key it shows) and records whether the certificate
//! would have verified. AWS-LC is the provider. Not here: revocation, DANE, MTA-STS.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// A certificate chain and its key for peers that ask for one.
pub struct Identity {
    /// End-entity certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// TLS settings of a client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) strict: Arc<ClientConfig>,
    pub(super) lenient: Arc<ClientConfig>,
    judge: Option<Arc<WebPkiServerVerifier>>,
}

impl ClientTls {
    /// Settings that trust these roots; an empty store trusts nobody.
    ///
    /// # Errors
    /// What rustls says about the identity or the roots.
    pub fn new(roots: RootCertStore, identity: Option<Identity>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(roots);
        let judge = if roots.is_empty() {
            None
        } else {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                    .build();
            Some(built.map_err(|e| rustls::Error::General(e.to_string()))?)
        };
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let strict = builder()?.with_root_certificates(roots);
        let lenient = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(&provider))));
        let (strict, lenient) = match identity {
            Some(Identity { chain, key }) => (
                strict.with_client_auth_cert(chain.clone(), key.clone_key())?,
                lenient.with_client_auth_cert(chain, key)?,
            ),
            None => (strict.with_no_client_auth(), lenient.with_no_client_auth()),
        };
        Ok(Self { strict: Arc::new(strict), lenient: Arc::new(lenient), judge })
    }

    /// Whether the certificate shown in an opportunistic handshake verifies for the host.
    pub(super) fn judge(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
        name: &ServerName<'_>,
    ) -> Result<(), String> {
        let (Some(judge), Some([leaf, rest @ ..])) = (&self.judge, chain) else {
            return Err("no trusted roots or no certificate".into());
        };
        let now = self.lenient.time_provider.current_time().ok_or("no time")?;
        judge.verify_server_cert(leaf, rest, name, &[], now).map(|_| ()).map_err(|e| e.to_string())
    }
}

/// Accepts any certificate, but the handshake must be signed with its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
