// SPDX-License-Identifier: EUPL-1.2
//! What comes from outside: time-stamps of `openssl ts`, answers of `openssl ocsp`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poststelle_crypto::cms::{Options, ToSign, sign};
use poststelle_crypto::signature::algorithm::Hash;
use poststelle_crypto::signature::cms::{Detached, verify};
use poststelle_crypto::signature::{Indication, Known, Setting, SubIndication, Wanted};
use poststelle_crypto::{Result, timestamp};

use crate::encryption::identity;
use crate::pki::{P256, Pki, RSA, setting};

const CONTENT: &[u8] = b"Bescheid";

fn token(pki: &Pki, octets: &[u8]) -> Vec<u8> {
    let (digest, nonce) = (Hash::Sha256.digest(octets), *b"\x80nonce!!");
    pki.write("query", &timestamp::request(Hash::Sha256, &digest, Some(nonce)));
    let text = pki.openssl("ts -query -in query -text");
    assert!(text.contains("sha256") && text.contains("Certificate required: yes"), "{text}");
    pki.openssl("ts -reply -queryfile query -config ca.cnf -section tsa_service -out reply");
    pki.openssl("ts -verify -queryfile query -in reply -CAfile chain.pem");
    let reply = pki.read("reply");
    assert!(timestamp::token_of(&reply, Hash::Sha256, &digest, Some(*b"another!")).is_err());
    assert!(timestamp::token_of(&reply, Hash::Sha256, &Hash::Sha256.digest(b""), Some(nonce)).is_err());
    timestamp::token_of(&reply, Hash::Sha256, &digest, Some(nonce)).unwrap()
}

#[test]
fn time_stamps_of_openssl_prove_the_time() {
    let Some(pki) = Pki::new() else { return };
    pki.issue("tsa", RSA, "tsa");
    pki.issue("signer", P256, "signer");
    let stamp = |octets: &[u8]| -> Result<Vec<u8>> { Ok(token(&pki, octets)) };
    let options =
        Options { claimed_at: Some(pki.now() - 1800), stamp: Some(&stamp), scheme: None, lists: &[] };
    let made = sign(ToSign::Detached(CONTENT), &identity(&pki, "signer"), options).unwrap();
    pki.write("made", &made);
    pki.write("content", CONTENT);
    pki.openssl(
        "cms -verify -cades -binary -inform DER -CAfile chain.pem -in made -content content -out verified",
    );

    let (trust, known) = (pki.trust(), pki.lists());
    let usual = setting(&trust, &known, pki.now());
    let report = verify(&made, Detached::Content(CONTENT), &usual).reports.remove(0);
    assert!(report.verdict.is_passed(), "{:?}", report.verdict);
    assert_eq!(report.level, "T");
    let [stamped] = report.timestamps.as_slice() else { panic!("{:?}", report.timestamps) };
    assert!(stamped.verdict.is_passed(), "{:?}", stamped.verdict);
    assert_eq!((stamped.kind.as_str(), stamped.authority.as_str()), ("signature", "tsa"));
    let proven = report.proven_at.unwrap();
    assert!((pki.now() - 1900..=pki.now()).contains(&proven), "{proven}");

    // Ten years later the certificates have ended; the time-stamp was good when we received it.
    let ten_years = pki.now() + 3650 * 86_400;
    let later =
        verify(&made, Detached::Content(CONTENT), &Setting { now: ten_years, ..usual }).reports.remove(0);
    assert!(later.verdict.is_passed(), "{:?}", later.verdict);
    assert_eq!(later.at_present.unwrap().sub, Some(SubIndication::OutOfBoundsNoPoe));
    // Received only then, nothing proves that the time-stamp is genuine.
    let setting_later = Setting { now: ten_years, received: ten_years, ..usual };
    let late = verify(&made, Detached::Content(CONTENT), &setting_later).reports.remove(0);
    assert_eq!(late.timestamps[0].verdict.sub, Some(SubIndication::OutOfBoundsNoPoe));
    assert_eq!(late.verdict.indication, Indication::Indeterminate);

    // A token over something else proves nothing.
    let foreign = token(&pki, b"anderes");
    let options = Options { stamp: Some(&|_| Ok(foreign.clone())), ..options };
    let made = sign(ToSign::Detached(CONTENT), &identity(&pki, "signer"), options).unwrap();
    let report = verify(&made, Detached::Content(CONTENT), &usual).reports.remove(0);
    assert_eq!(report.timestamps[0].verdict.sub, Some(SubIndication::HashFailure));
    assert_eq!(report.proven_at, None);

    // A certificate for anything else cannot stamp.
    let imprint = |hash: Hash| Some(hash.digest(b"anderes"));
    assert!(timestamp::verify(&foreign, &imprint, &usual).facts.verdict.is_passed());
    for at in 0..foreign.len() {
        let mut flipped = foreign.clone();
        flipped[at] ^= 1;
        let judged = timestamp::verify(&flipped, &imprint, &usual);
        if judged.facts.verdict.is_passed() {
            assert!((pki.now() - 1900..=pki.now()).contains(&judged.facts.at), "octet {at}");
        }
    }
}

#[test]
fn time_stamps_need_a_certificate_of_their_own() {
    let Some(pki) = Pki::new() else { return };
    pki.issue("tsa", RSA, "tsa");
    let good = token(&pki, CONTENT);
    // The same key with a certificate for signing: openssl refuses to stamp with it, so the chain is asked directly.
    pki.issue("signer", P256, "signer");
    let (trust, known) = (pki.trust(), pki.lists());
    let setting = setting(&trust, &known, pki.now());
    use poststelle_crypto::signature::{Material, Usage, When, chain};
    let judge = |name: &str, usage| {
        let when = When::by(setting.received);
        chain::judge(&pki.certificate(name), &Material::default(), when, usage, &setting).verdict
    };
    assert!(judge("tsa", Usage::TimeStamp).is_passed());
    assert_eq!(judge("signer", Usage::TimeStamp).sub, Some(SubIndication::ChainConstraintsFailure));
    assert_eq!(judge("tsa", Usage::Signature).sub, Some(SubIndication::ChainConstraintsFailure));
    let nobody = poststelle_crypto::signature::Trust::default();
    let judged =
        timestamp::verify(&good, &|h| Some(h.digest(CONTENT)), &Setting { trust: &nobody, ..setting });
    assert_eq!(judged.facts.verdict.sub, Some(SubIndication::NoCertificateChainFound));
}

#[test]
fn answers_of_openssl_ocsp_count_when_they_may() {
    let Some(pki) = Pki::new() else { return };
    pki.write("content", CONTENT);
    for name in ["signer", "revoked", "other"] {
        pki.issue(name, P256, "with_ocsp");
    }
    pki.issue("responder", P256, "responder");
    pki.issue("stranger", P256, "server");
    let trust = pki.trust();
    let lists = pki.lists();
    pki.openssl("ca -config ca.cnf -revoke revoked.pem");
    let make =
        |name: &str| sign(ToSign::Detached(CONTENT), &identity(&pki, name), Options::default()).unwrap();
    let root_only = [lists[1].clone()];
    let question = |name: &str| {
        let setting = setting(&trust, &root_only, pki.now());
        let judgement = verify(&make(name), Detached::Content(CONTENT), &setting);
        assert_eq!(judgement.reports[0].verdict.sub, Some(SubIndication::TryLater));
        let [wanted] = judgement.wanted.as_slice() else { panic!("{:?}", judgement.wanted) };
        wanted.clone()
    };
    let answer = |name: &str, responder: &str, about: &str| {
        let Wanted::Ocsp { url, request } = question(about) else { panic!("no question") };
        assert_eq!(url, "http://ocsp.example/");
        pki.write("ask", &STANDARD.decode(request).unwrap());
        pki.openssl(&format!(
            "ocsp -index index.txt -CA issuer.pem -rsigner {responder}.pem -rkey {responder}.key -reqin ask \
             -respout answer -ndays 7"
        ));
        let known = Known { wanted: question(name), at: pki.now(), octets: pki.read("answer") };
        vec![lists[1].clone(), known]
    };
    let verdict = |name: &str, known: &[Known]| {
        verify(&make(name), Detached::Content(CONTENT), &setting(&trust, known, pki.now())).reports.remove(0)
    };
    let good = answer("signer", "responder", "signer");
    let report = verdict("signer", &good);
    assert!(report.verdict.is_passed(), "{:?}", report.verdict);
    assert!(report.revocations.iter().any(|facts| facts.source == "ocsp"));
    assert!(verdict("signer", &answer("signer", "issuer", "signer")).verdict.is_passed());
    let report = verdict("revoked", &answer("revoked", "responder", "revoked"));
    assert_eq!(report.verdict.sub, Some(SubIndication::RevokedNoPoe), "{:?}", report.verdict);
    for (case, known) in [
        ("not appointed", answer("signer", "stranger", "signer")),
        ("about another", answer("signer", "responder", "other")),
        ("cut off", {
            let mut known = good.clone();
            known[1].octets.pop();
            known
        }),
        ("nothing", {
            let mut known = good.clone();
            known[1].octets.clear();
            known
        }),
    ] {
        assert_eq!(verdict("signer", &known).verdict.sub, Some(SubIndication::TryLater), "{case}");
    }
    for at in 0..good[1].octets.len() {
        let mut known = good.clone();
        known[1].octets[at] ^= 1;
        let report = verdict_of(&make("signer"), &setting(&trust, &known, pki.now()));
        // The certificate in the answer may say something else where nobody looks; never may the state change.
        assert!(report.is_passed() || report.sub == Some(SubIndication::TryLater), "octet {at}: {report:?}");
    }
}

fn verdict_of(octets: &[u8], setting: &Setting<'_>) -> poststelle_crypto::signature::Verdict {
    verify(octets, Detached::Content(CONTENT), setting).reports.remove(0).verdict
}
