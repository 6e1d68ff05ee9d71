// SPDX-License-Identifier: EUPL-1.2
//! Notes, checkpoints and proof files against the examples of the specifications; every kind of tampering.

use std::slice::from_ref;

use poststelle_proof::ProofError;
use poststelle_proof::checkpoint::{self, Checkpoint};
use poststelle_proof::merkle::{Leaves, empty_root, inclusion_plan, root_of};
use poststelle_proof::note::{
    Cosigner, KeyKind, MAX_NOTE_BYTES, MAX_SIGNATURES, NoteSignature, NoteSigner, SignedNote, VerifierKey,
    open,
};
use poststelle_proof::tlog_proof::TlogProof;
use proptest::prelude::*;

use crate::{key_pair, leaves};

const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const SPEC_CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    \u{2014} witness.example.com/w1 \
    jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
const ORIGIN: &str = "poststelle.example/mandant-1";

fn parse(text: &str) -> Result<SignedNote, ProofError> {
    SignedNote::parse(text.as_bytes())
}

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, key_pair(seed)).unwrap()
}

fn signed(text: &str, signers: &[&NoteSigner]) -> SignedNote {
    SignedNote::new(text, signers.iter().map(|s| s.sign(text).unwrap()).collect()).unwrap()
}

#[test]
fn example_of_the_specification() {
    let key = VerifierKey::parse(SPEC_KEY).unwrap();
    assert_eq!((key.name(), key.key_id(), key.kind()), ("example.com/foo", 0x530d_903a, KeyKind::Ed25519));
    assert_eq!(key.format(), SPEC_KEY);
    assert_eq!(VerifierKey::new(key.name(), key.kind(), *key.public_key()).unwrap(), key);
    let note = parse(SPEC_NOTE).unwrap();
    assert_eq!(note.format(), SPEC_NOTE);
    let opened = open(&note, from_ref(&key)).unwrap();
    assert_eq!(opened.text, "This is an example message.\n");
    assert!(opened.is_signed_by(&key) && opened.ignored == 0);
}

#[test]
fn checkpoint_example_of_the_specification() {
    let note = parse(SPEC_CHECKPOINT).unwrap();
    assert_eq!(note.format(), SPEC_CHECKPOINT);
    let checkpoint = Checkpoint::from_text(note.unverified_text()).unwrap();
    assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size(), 20_852_163);
    assert_eq!(checkpoint.to_text(), note.unverified_text());
    let [log, witness] = note.signatures() else { panic!("two signatures") };
    assert_eq!((log.key_id, log.signature.len()), (0x033d_e0ae, 64));
    assert_eq!((witness.name.as_str(), witness.signature.len()), ("witness.example.com/w1", 72));
    assert_eq!(witness.signature[..8], 1_679_315_147u64.to_be_bytes());
}

#[test]
fn every_tampered_byte_of_the_example_is_noticed() {
    let key = [VerifierKey::parse(SPEC_KEY).unwrap()];
    for at in 0..SPEC_NOTE.len() {
        for bit in 0..8 {
            let mut bytes = SPEC_NOTE.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let result = SignedNote::parse(&bytes).and_then(|note| open(&note, &key));
            assert!(result.is_err(), "byte {at}, bit {bit}");
        }
        assert!(SignedNote::parse(&SPEC_NOTE.as_bytes()[..at]).and_then(|note| open(&note, &key)).is_err());
    }
    for at in 0..SPEC_KEY.len() {
        let mut bytes = SPEC_KEY.as_bytes().to_vec();
        bytes[at] ^= 1;
        let tampered = String::from_utf8(bytes).unwrap();
        assert!(VerifierKey::parse(&tampered).is_err(), "{tampered}");
    }
}

#[test]
fn text_may_look_like_a_note() {
    let signer = signer("a.example", 1);
    let key = [signer.verifier().clone()];
    for text in
        ["\n", "a\n", "\n\n\n", "a\n\n\u{2014} b.example AAAAAAAA\n", "\u{2014}\n\näöü €\n", "a \n\n b\n"]
    {
        let note = signed(text, &[&signer]);
        let again = parse(&note.format()).unwrap();
        assert_eq!(again, note);
        assert_eq!(open(&again, &key).unwrap().text, text);
    }
    for text in ["", "a", "a\n\nb", "a\tb\n", "a\r\n", "a\0\n", "\u{1f}\n"] {
        assert!(matches!(signer.sign(text), Err(ProofError::NoteFormat { .. })), "{text:?}");
    }
}

#[test]
fn malformed_notes_are_refused() {
    let good = "text\n\n\u{2014} a.example AAAAAAAA\n";
    assert_eq!(parse(good).unwrap().signatures().len(), 1);
    for wrong in [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\n\n",
        "text\n\u{2014} a.example AAAAAAAA\n",
        "text\n\n\u{2014} a.example AAAAAAAA",
        "text\n\n- a.example AAAAAAAA\n",
        "text\n\n\u{2014}a.example AAAAAAAA\n",
        "text\n\n\u{2014} a.example\n",
        "text\n\n\u{2014} a.example \n",
        "text\n\n\u{2014} a.example AAAA\n",
        "text\n\n\u{2014} a.example AAAAA=\n",
        "text\n\n\u{2014} a.example AAAAAA==\n",
        "text\n\n\u{2014} a.example AAAAAAB=\n",
        "text\n\n\u{2014} a.example AAAA-AAA\n",
        "text\n\n\u{2014} a.example  AAAAAAAA\n",
        "text\n\n\u{2014} a.example AAAAAAAA \n",
        "text\n\n\u{2014} a.example AAAAAAAA\r\n",
        "te\rxt\n\n\u{2014} a.example AAAAAAAA\n",
        "text\n\n\u{2014} a.example AAAAAAAA\ntrailer\n",
        "text\n\n\u{2014} a.example AAAAAAAA\n\n",
    ] {
        assert!(matches!(parse(wrong), Err(ProofError::NoteFormat { .. })), "{wrong:?}");
    }
    for name in ["", "a+b", "a\u{a0}b", "a\u{2003}b", "a\u{85}b", "a\u{7f}b", &"a".repeat(256)] {
        let note = format!("text\n\n\u{2014} {name} AAAAAAAA\n");
        assert!(matches!(parse(&note), Err(ProofError::KeyName)), "{name:?}");
        assert!(matches!(NoteSigner::new(name, key_pair(1)), Err(ProofError::KeyName)));
    }
    assert!(matches!(
        SignedNote::parse(b"text\xff\n\n\xe2\x80\x94 a AAAAAAAA\n"),
        Err(ProofError::NoteFormat { .. })
    ));
}

#[test]
fn notes_have_caps() {
    let line = "\u{2014} a.example AAAAAAAA\n";
    parse(&format!("text\n\n{}", line.repeat(MAX_SIGNATURES))).unwrap();
    let many = format!("text\n\n{}", line.repeat(MAX_SIGNATURES + 1));
    assert!(matches!(parse(&many), Err(ProofError::NoteSignatures { max: MAX_SIGNATURES })));
    let large = format!("{}\n\n{line}", "x".repeat(MAX_NOTE_BYTES));
    assert!(matches!(parse(&large), Err(ProofError::TooLarge { .. })));
    let long = format!("text\n\n\u{2014} a.example {}\n", "AAAA".repeat(6000));
    assert!(matches!(parse(&long), Err(ProofError::NoteFormat { .. })));
    // A post-quantum signature of 5000 bytes fits.
    let signature = NoteSignature { name: "pq.example".into(), key_id: 7, signature: vec![1; 5000] };
    let note = SignedNote::new("text\n", vec![signature.clone()]).unwrap();
    assert_eq!(parse(&note.format()).unwrap(), note);
    assert!(SignedNote::new("text\n", vec![]).is_err());
    assert!(SignedNote::new("text\n", vec![signature; 65]).is_err());
    let empty = NoteSignature { name: "a".into(), key_id: 7, signature: vec![] };
    assert!(SignedNote::new("text\n", vec![empty]).is_err());
}

#[test]
fn trust() {
    let (a, b, stranger) = (signer("a.example", 1), signer("b.example", 2), signer("c.example", 3));
    let (key_a, key_b) = (a.verifier().clone(), b.verifier().clone());
    let note = signed("text\n", &[&stranger, &a, &b]);
    let opened = open(&note, &[key_b.clone(), key_a.clone()]).unwrap();
    assert_eq!(opened.signed_by.iter().map(|s| s.key.name()).collect::<Vec<_>>(), ["a.example", "b.example"]);
    assert_eq!(opened.ignored, 1);
    assert!(matches!(open(&note, &[]), Err(ProofError::NoTrustedSignature)));
    assert!(matches!(
        open(&signed("text\n", &[&stranger]), from_ref(&key_a)),
        Err(ProofError::NoTrustedSignature)
    ));

    // One false signature of a trusted key spoils the note, even beside a genuine one.
    let mut lines = note.signatures().to_vec();
    lines[2].signature[0] ^= 1;
    let spoiled = SignedNote::new("text\n", lines.clone()).unwrap();
    assert!(open(&spoiled, from_ref(&key_a)).is_ok(), "b is unknown here");
    let result = open(&spoiled, &[key_a.clone(), key_b.clone()]);
    assert!(matches!(&result, Err(ProofError::SignatureFalse { name }) if name == "b.example"));
    assert!(result.unwrap_err().disproves());
    // Also when the genuine one of the same key comes first.
    lines[2].signature[0] ^= 1;
    let mut twice = lines[2].clone();
    twice.signature[63] ^= 0x10;
    lines.push(twice);
    assert!(open(&SignedNote::new("text\n", lines).unwrap(), from_ref(&key_b)).is_err());

    // The same name with another key, and the same id under another name, are unknown keys.
    let namesake = signer("a.example", 9);
    assert_eq!(open(&signed("text\n", &[&namesake, &a]), from_ref(&key_a)).unwrap().ignored, 1);
    let mut renamed = a.sign("text\n").unwrap();
    renamed.name = "x.example".into();
    let note = SignedNote::new("text\n", vec![renamed, b.sign("text\n").unwrap()]).unwrap();
    assert_eq!(open(&note, &[key_a.clone(), key_b.clone()]).unwrap().ignored, 1);
    // The same key listed twice is no ambiguity, and it counts once.
    let note = signed("text\n", &[&a, &a]);
    assert_eq!(open(&note, &[key_a.clone(), key_a]).unwrap().signed_by.len(), 1);
}

#[test]
fn malformed_keys_are_refused() {
    for wrong in [
        "",
        "x",
        "x+",
        "x+530d903a",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903a+AQ==",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        " example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        &"x+".repeat(9000),
    ] {
        assert!(VerifierKey::parse(wrong).is_err(), "{wrong}");
    }
    // ECDSA and ML-DSA-44.
    for (kind, encoded) in [(2, "Agekkkkk"), (6, "BgAA")] {
        let result = VerifierKey::parse(&format!("x+00000000+{encoded}"));
        assert!(matches!(result, Err(ProofError::VerifierKeyKind { kind: k }) if k == kind));
    }
}

#[test]
fn checkpoints() {
    let log = signer(ORIGIN, 1);
    let root = root_of(&leaves(5)).unwrap();
    let checkpoint = Checkpoint::new(ORIGIN, 5, root).unwrap();
    let text = checkpoint.sign(&[&log]).unwrap().format();
    let opened = checkpoint::open(text.as_bytes(), ORIGIN, log.verifier(), &[]).unwrap();
    assert_eq!(opened.checkpoint, checkpoint);
    assert!(opened.witnesses.is_empty());
    assert_eq!((checkpoint.root(), checkpoint.size(), checkpoint.extensions().len()), (&root, 5, 0));
    let result = checkpoint::open(text.as_bytes(), "other.example", log.verifier(), &[]);
    assert!(matches!(result, Err(ProofError::WrongOrigin)));
    let result = checkpoint::open(text.as_bytes(), ORIGIN, signer(ORIGIN, 2).verifier(), &[]);
    assert!(matches!(result, Err(ProofError::NoTrustedSignature)));

    let empty = Checkpoint::new(ORIGIN, 0, empty_root()).unwrap();
    assert_eq!(Checkpoint::from_text(&empty.to_text()).unwrap(), empty);
    assert!(Checkpoint::new(ORIGIN, 0, root).is_err());
    assert!(matches!(Checkpoint::new(ORIGIN, u64::MAX, root), Err(ProofError::TreeSize)));
    let extended = Checkpoint::with_extensions(ORIGIN, 5, root, vec!["a b".into(), "ä".into()]).unwrap();
    assert_eq!(Checkpoint::from_text(&extended.to_text()).unwrap(), extended);
    for lines in
        [vec![String::new()], vec!["a\nb".to_owned()], vec!["a".to_owned(); 33], vec!["a".repeat(4097)]]
    {
        assert!(Checkpoint::with_extensions(ORIGIN, 5, root, lines).is_err());
    }
}

#[test]
fn malformed_checkpoints_are_refused() {
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    assert!(Checkpoint::from_text(&format!("o\n1\n{root}\n")).is_ok());
    for wrong in [
        String::new(),
        "\n".into(),
        format!("o\n1\n{root}"),
        format!("\n1\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n00\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n 1\n{root}\n"),
        format!("o\n1 \n{root}\n"),
        format!("o\n0x1\n{root}\n"),
        format!("o\n9223372036854775808\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n0\n{root}\n"),
        format!("o\n1\n{root} \n"),
        format!("o\n1\n{}\n", &root[1..]),
        format!("o\n1\n{}J=\n", &root[..42]),
        "o\n1\n\n".into(),
        "o\n1\n".into(),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\nx\n"),
        format!("o\n1\n{root}\n{}", "x\n".repeat(33)),
        format!("{}\n1\n{root}\n", "o".repeat(1025)),
    ] {
        assert!(Checkpoint::from_text(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn witnesses() {
    let log = signer(ORIGIN, 1);
    let witness = Cosigner::new("nachbar.example/w1", key_pair(5)).unwrap();
    let key = VerifierKey::parse(&witness.verifier().format()).unwrap();
    assert_eq!((&key, key.kind()), (witness.verifier(), KeyKind::CosignatureV1));
    let note = Checkpoint::new(ORIGIN, 5, root_of(&leaves(5)).unwrap()).unwrap().sign(&[&log]).unwrap();
    let line = witness.cosign(note.unverified_text(), 1_679_315_147).unwrap();
    let text = note.clone().with_signature(line.clone()).unwrap().format();
    let opened = checkpoint::open(text.as_bytes(), ORIGIN, log.verifier(), from_ref(&key)).unwrap();
    let [signature] = opened.witnesses.as_slice() else { panic!("one witness") };
    assert_eq!((&signature.key, signature.timestamp), (&key, Some(1_679_315_147)));
    // A later cosignature of the same witness replaces the former.
    let later = witness.cosign(note.unverified_text(), 1_700_000_000).unwrap();
    let twice = note.clone().with_signature(line.clone()).unwrap().with_signature(later).unwrap();
    assert_eq!(twice.signatures().len(), 2);

    // The time is bound, and every byte of the cosignature.
    for at in 0..line.signature.len() {
        let mut tampered = line.clone();
        tampered.signature[at] ^= 1;
        let text = note.clone().with_signature(tampered).unwrap().format();
        let result = checkpoint::open(text.as_bytes(), ORIGIN, log.verifier(), from_ref(&key));
        assert!(matches!(result, Err(ProofError::SignatureFalse { .. })), "byte {at}");
        checkpoint::open(text.as_bytes(), ORIGIN, log.verifier(), &[]).unwrap();
    }
    // A witness alone does not make a checkpoint of the log, whatever else is trusted.
    let alone = SignedNote::new(note.unverified_text(), vec![line]).unwrap().format();
    let result = checkpoint::open(alone.as_bytes(), ORIGIN, log.verifier(), from_ref(&key));
    assert!(matches!(result, Err(ProofError::NoLogSignature)));
    // The same key pair as note signer is another key.
    let plain = signer("nachbar.example/w1", 5);
    assert_ne!(plain.verifier().key_id(), key.key_id());
    assert!(witness.cosign("text\n", u64::MAX).is_err());
}

fn proof(size: usize, index: usize, extra: Option<Vec<u8>>) -> (TlogProof, [u8; 32], VerifierKey) {
    let log = signer(ORIGIN, 1);
    let leaves = leaves(size);
    let path = inclusion_plan(index as u64, size as u64).unwrap().resolve(&Leaves(&leaves)).unwrap();
    let note =
        Checkpoint::new(ORIGIN, size as u64, root_of(&leaves).unwrap()).unwrap().sign(&[&log]).unwrap();
    (TlogProof::new(extra, index as u64, path, note).unwrap(), leaves[index], log.verifier().clone())
}

#[test]
fn proof_files() {
    for (size, index, extra) in
        [(1, 0, None), (600, 599, Some(b"mehr".to_vec())), (600, 0, None), (77, 41, None)]
    {
        let (proof, leaf, key) = proof(size, index, extra);
        let text = proof.format();
        let again = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(again, proof);
        let opened = again.verify(&leaf, ORIGIN, &key, &[]).unwrap();
        assert_eq!(opened.checkpoint.size(), size as u64);
        assert_eq!(again.path().len(), proof.path().len());
        assert!(matches!(again.verify(&[0; 32], ORIGIN, &key, &[]), Err(ProofError::InclusionFalse)));
        assert!(matches!(again.verify(&leaf, "other.example", &key, &[]), Err(ProofError::WrongOrigin)));
        assert_eq!(again.checkpoint().signatures().len(), 1);
    }
    assert_eq!(proof(3, 1, Some(b"x".to_vec())).0.unverified_extra(), Some(&b"x"[..]));
}

#[test]
fn every_tampered_byte_of_a_proof_file_is_noticed() {
    let (proof, leaf, key) = proof(77, 41, None);
    let text = proof.format();
    for at in 0..text.len() {
        for bit in [0, 1, 5] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let result = TlogProof::parse(&bytes).and_then(|proof| proof.verify(&leaf, ORIGIN, &key, &[]));
            assert!(result.is_err(), "byte {at}, bit {bit}");
        }
        assert!(TlogProof::parse(&text.as_bytes()[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn malformed_proof_files_are_refused() {
    let note = "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} a.example AAAAAAAA\n";
    let hash = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let first = "c2sp.org/tlog-proof@v1";
    for good in [
        format!("{first}\nindex 0\n\n{note}"),
        format!("{first}\nextra AAAA\nindex 73894\n{hash}\n{hash}\n\n{note}"),
    ] {
        assert_eq!(TlogProof::parse(good.as_bytes()).unwrap().format(), good);
    }
    for wrong in [
        String::new(),
        note.to_owned(),
        format!("c2sp.org/tlog-proof@v2\nindex 0\n\n{note}"),
        format!("{first}\n\n{note}"),
        format!("{first}\nindex 0\n{note}"),
        format!("{first}\nindex\n\n{note}"),
        format!("{first}\nindex 00\n\n{note}"),
        format!("{first}\nindex -1\n\n{note}"),
        format!("{first}\nindex  1\n\n{note}"),
        format!("{first}\nindex 9223372036854775808\n\n{note}"),
        format!("{first}\nindex 0\nextra AAAA\n\n{note}"),
        format!("{first}\nextra \nindex 0\n\n{note}"),
        format!("{first}\nextra\nindex 0\n\n{note}"),
        format!("{first}\nextra A\nindex 0\n\n{note}"),
        format!("{first}\nextra AAAA\nextra AAAA\nindex 0\n\n{note}"),
        format!("{first}\nextra {}\nindex 0\n\n{note}", "AAAA".repeat(30_000)),
        format!("{first}\nindex 0\nAAAA\n\n{note}"),
        format!("{first}\nindex 0\n{}\n{note}", format!("{hash}\n").repeat(64)),
        format!("{first}\r\nindex 0\n\n{note}"),
        format!("{first}\nindex 0\n\n"),
        "x".repeat(2_000_000),
    ] {
        assert!(TlogProof::parse(wrong.as_bytes()).is_err(), "{wrong:.200}");
    }
}

proptest! {
    #[test]
    fn rubbish_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "[a-z0-9+/= \n\u{2014}]{0,200}",
    ) {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _ = SignedNote::parse(input);
            let _ = TlogProof::parse(input);
        }
        let _ = Checkpoint::from_text(&text);
        let _ = VerifierKey::parse(&text);
    }

    #[test]
    fn what_parses_formats_back(text in "[a-z\n ]{0,40}\n", names in proptest::collection::vec("[a-z./]{1,20}", 1..5)) {
        let lines = names.iter().enumerate().map(|(i, name)| NoteSignature {
            name: name.clone(), key_id: i as u32, signature: vec![i as u8; i + 1],
        }).collect();
        let note = SignedNote::new(&text, lines).unwrap();
        prop_assert_eq!(SignedNote::parse(note.format().as_bytes()).unwrap(), note);
    }
}
