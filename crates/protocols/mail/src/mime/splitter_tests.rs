// SPDX-License-Identifier: EUPL-1.2
//! The splitter on small messages, each by hand; generated and big ones are in `tests/it/mime.rs`.

use proptest::prelude::*;

use super::super::Decoder;
use super::*;

fn split_with(root: &Root, caps: &Caps, input: &[u8], step: usize) -> Split {
    let mut splitter = Splitter::new(root.clone(), caps.clone());
    input.chunks(step.max(1)).for_each(|piece| splitter.push(piece));
    let split = splitter.finish();
    check(&split, input);
    split
}

/// Splits in several ways, which must agree.
fn split(input: &str) -> Split {
    let input = input.replace('\n', "\r\n");
    split_raw(input.as_bytes(), &Caps::default())
}

fn split_raw(input: &[u8], caps: &Caps) -> Split {
    let whole = split_with(&Root::Message, caps, input, input.len());
    for step in [1, 2, 3, 7, 61] {
        assert_eq!(split_with(&Root::Message, caps, input, step), whole, "by {step}");
    }
    whole
}

/// What holds for every input.
fn check(split: &Split, input: &[u8]) {
    let mut last: Vec<(u32, u64)> = Vec::new();
    for (i, part) in split.parts.iter().enumerate() {
        assert_eq!(part.n as usize, i);
        assert!(part.header.start <= part.header.end && part.header.end == part.body.start, "{part:?}");
        assert!(part.body.start <= part.body.end && part.body.end <= input.len() as u64, "{part:?}");
        if let Some(parent) = part.parent {
            let parent = &split.parts[parent as usize];
            assert!(parent.body.start <= part.header.start && part.body.end <= parent.body.end, "{split:#?}");
            assert!(part.path.starts_with(&format!("{}.", parent.path)));
            let before = last.iter().rev().find(|(p, _)| *p == parent.n).map_or(0, |l| l.1);
            assert!(before <= part.header.start, "{split:#?}");
            last.push((parent.n, part.body.end));
        }
        assert_eq!(part.sha256.is_some(), part.kind == Kind::Leaf);
        if part.kind == Kind::Leaf {
            let mut decoder = Decoder::new(part.encoding);
            let mut content = Vec::new();
            decoder.push(&input[part.body.start as usize..part.body.end as usize], &mut content);
            decoder.finish(&mut content);
            assert_eq!(content.len() as u64, part.decoded_len, "{part:?}");
            assert_eq!(Some(poststelle_crypto::digest::sha256(&content)), part.sha256);
            assert!(content.starts_with(&part.head));
        }
    }
}

fn tree(split: &Split) -> String {
    let line = |p: &Entity| {
        let defects: Vec<_> = p.defects.iter().map(|d| d.code()).collect();
        format!("{} {} {} {}", p.path, p.media_type, p.decoded_len, defects.join(","))
    };
    split.parts.iter().map(|p| line(p).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn body<'a>(input: &'a str, part: &Entity) -> &'a str {
    &input[part.body.start as usize..part.body.end as usize]
}

#[test]
fn plain() {
    let s = split("Subject: x\n\nHallo\n");
    assert_eq!(tree(&s), "1 text/plain 7");
    assert_eq!(s.parts[0].charset.as_deref(), Some("us-ascii"));
    assert_eq!(s.parts[0].header, 0..14);
    assert_eq!(s.defects, []);
    assert_eq!(s.header.value("subject").as_deref(), Some("x"));
    assert_eq!(tree(&split("")), "1 text/plain 0");
    assert_eq!(tree(&split("Subject: x\n")), "1 text/plain 0 unterminated-header");
    assert_eq!(tree(&split("nur Text\n")), "1 text/plain 10 unterminated-header");
}

const NESTED: &str = "Content-Type: multipart/mixed; boundary=aa\n\npre\n--aa\n\
    Content-Type: multipart/alternative; boundary=aab\n\n--aab\n\nText\n--aab\n\
    Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4\n--aab--\n\n--aa\n\
    Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\nContent-ID: <x@y>\n\
    Content-Disposition: Attachment; filename=\"b.pdf\"\n\nJVBERi0x\nLjQ=\n--aa--\nepi\n";

#[test]
fn nested() {
    let s = split(NESTED);
    let want = "1 multipart/mixed 0\n1.1 multipart/alternative 0\n1.1.1 text/plain 4\n1.1.2 text/html 2\n\
        1.2 application/pdf 8";
    assert_eq!(tree(&s), want);
    let input = NESTED.replace('\n', "\r\n");
    assert_eq!(body(&input, &s.parts[2]), "Text");
    assert_eq!(body(&input, &s.parts[1]).lines().last(), Some("--aab--"));
    let pdf = &s.parts[4];
    assert_eq!(body(&input, pdf), "JVBERi0x\r\nLjQ=");
    assert_eq!((pdf.raw_name.as_deref(), pdf.content_id.as_deref()), (Some("b.pdf"), Some("x@y")));
    assert_eq!((pdf.disposition.as_deref(), pdf.detected), (Some("attachment"), Some("application/pdf")));
    assert_eq!(&*pdf.head, b"%PDF-1.4");
    let root = &s.parts[0];
    let text = |r: &std::ops::Range<u64>| &input[r.start as usize..r.end as usize];
    assert_eq!(text(root.preamble.as_ref().unwrap()), "pre");
    assert_eq!(text(root.epilogue.as_ref().unwrap()), "epi\r\n");
    assert_eq!(s.defects, []);
}

#[test]
fn line_ends() {
    for (eol, defect) in [("\n", Some(Defect::BareLf)), ("\r", Some(Defect::BareCr)), ("\r\n", None)] {
        let input = NESTED.replace('\n', eol);
        let s = split_raw(input.as_bytes(), &Caps::default());
        assert_eq!(s.parts.len(), 5, "{eol:?}");
        assert_eq!(body(&input, &s.parts[2]), "Text");
        assert_eq!(s.defects, defect.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn boundaries() {
    // a part's line that only begins like the boundary, blanks after it, dashes in the text
    let s = split(
        "Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b  \t\n\n--a bc\n--\n-\n-----\n--a b-\n--a b--x\n--a b--\t\n",
    );
    assert_eq!(tree(&s), "1 multipart/mixed 0\n1.1 text/plain 38");
    // the outer boundary ends an inner multipart that is not closed
    let s = split(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=oi\n\n--oi\n\n1\n--o\n\n2\n--o--\n",
    );
    assert_eq!(
        tree(&s),
        "1 multipart/mixed 0\n1.1 multipart/mixed 0 missing-close-boundary\n1.1.1 text/plain 1\n1.2 text/plain 1"
    );
    // never closed; never begun; none declared; empty part; delimiter twice
    let s = split("Content-Type: multipart/mixed; boundary=o\n\n--o\n\n1\n");
    assert_eq!(tree(&s), "1 multipart/mixed 0 missing-close-boundary\n1.1 text/plain 3");
    let s = split("Content-Type: multipart/mixed; boundary=o\n\nText\n");
    assert_eq!(tree(&s), "1 multipart/mixed 6 no-start-boundary");
    let s = split("Content-Type: multipart/mixed\n\n--o\n\n1\n");
    assert_eq!(tree(&s), "1 multipart/mixed 10 no-boundary");
    let s = split("Content-Type: multipart/mixed; boundary=o\n\n--o\n--o\n\n--o--\n");
    assert_eq!(tree(&s), "1 multipart/mixed 0\n1.1 text/plain 0");
    let s = split("Content-Type: multipart/mixed; boundary=o\n\n--o\nX: y\n--o--\n");
    assert_eq!(tree(&s), "1 multipart/mixed 0\n1.1 text/plain 0 unterminated-header");
    let long = "x".repeat(200);
    let s = split(&format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\n1\n--{long}--\n"));
    assert_eq!(tree(&s), "1 multipart/mixed 0 long-boundary\n1.1 text/plain 1");
    let long = "x".repeat(1_001);
    let s = split(&format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\n1\n--{long}--\n"));
    assert!(tree(&s).ends_with("no-boundary"), "{}", tree(&s));
}

#[test]
fn messages() {
    let s = split(
        "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\n\nA\n--d\nContent-Type: message/rfc822\n\n\
         Content-Type: multipart/mixed; boundary=m\n\n--m\n\nB\n--m--\n--d\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: base64\n\nU3ViamVjdDogYQ==\n--d\nContent-Type: message/rfc822\n\n--d--\n",
    );
    assert_eq!(
        tree(&s),
        "1 multipart/digest 0\n1.1 message/rfc822 0\n1.1.1 text/plain 1\n1.2 message/rfc822 0\n\
         1.2.1 multipart/mixed 0\n1.2.1.1 text/plain 1\n1.3 message/rfc822 10 encoded-container\n1.4 message/rfc822 0"
    );
}

#[test]
fn header_oddities() {
    let s = split(
        "From x@y Sat Nov 21\nContent-Type: text/html; charset=\"UTF-8\"\ncontent-type: text/plain\n\
         Content-Transfer-Encoding: x-uuencode\nX: y\nkaputte Zeile\n\nText\n",
    );
    let part = &s.parts[0];
    assert_eq!(
        tree(&s),
        "1 text/html 23 bad-header-line,unterminated-header,duplicate-header,unknown-encoding"
    );
    assert_eq!(part.charset.as_deref(), Some("utf-8"));
    assert_eq!(tree(&split("Content-Type: pdf\n\n")), "1 text/plain 0 bad-content-type");
    let s = split_raw(b"A: b\r\n\r\na\0b", &Caps::default());
    assert_eq!(s.defects, [Defect::Nul]);
}

#[test]
fn header_caps() {
    let caps = Caps { max_header_bytes: 100, max_headers: 3, ..Caps::default() };
    let long = format!("X: {}\r\nContent-Type: text/html\r\n\r\nText", "y".repeat(10_000));
    let s = split_raw(long.as_bytes(), &caps);
    assert_eq!(tree(&s), "1 text/plain 4 max_header_bytes");
    assert_eq!(s.header.as_bytes().len(), 100);
    let many = "A: b\r\n c\r\n".repeat(4) + "Content-Type: text/html\r\n\r\nText";
    let s = split_raw(many.as_bytes(), &caps);
    assert_eq!(tree(&s), "1 text/plain 4 max_headers");
}

#[test]
fn too_deep() {
    let mut input = String::new();
    for i in 0..100 {
        input += &format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n");
    }
    input += "\r\nText";
    for i in (0..100).rev() {
        input += &format!("\r\n--b{i}--");
    }
    let s = split_raw(input.as_bytes(), &Caps::default());
    assert_eq!(s.parts.len(), 32);
    assert_eq!(s.parts[31].defects, [Defect::TooDeep]);
    assert!(
        body(&input, &s.parts[31]).starts_with("--b31") && body(&input, &s.parts[31]).ends_with("--b31--")
    );
    assert_eq!(s.defects, [Defect::TooDeep]);
}

#[test]
fn too_many() {
    let input = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\nEnde\r\n",
        "--b\r\nContent-Type: text/html\r\n\r\nText\r\n".repeat(10)
    );
    let caps = Caps { max_parts: 5, ..Caps::default() };
    let s = split_raw(input.as_bytes(), &caps);
    assert_eq!(s.parts.len(), 5);
    let rest = &s.parts[4];
    assert_eq!(
        (rest.media_type.as_str(), &*rest.defects),
        ("application/octet-stream", &[Defect::TooManyParts][..])
    );
    assert!(
        body(&input, rest).starts_with("Content-Type: text/html") && body(&input, rest).ends_with("Ende\r\n")
    );
    let caps = Caps { max_retained_bytes: 200, ..Caps::default() };
    let s = split_raw(input.as_bytes(), &caps);
    assert_eq!(s.parts.last().unwrap().defects, [Defect::TooMuchStructure]);
    assert!(s.parts.len() < 11);
}

#[test]
fn form_data() {
    let root = Root::Entity { content_type: "multipart/form-data; boundary=\"f f\"".into() };
    let input = b"--f f\r\nContent-Disposition: form-data; name=\"titel\"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n\
        --f f\r\nContent-Disposition: form-data; name=datei; filename=\"Grundriss \xc3\x84.pdf\"\r\n\
        Content-Type: application/pdf\r\n\r\n%PDF-\r\n\r\n--f f--\r\n";
    let whole = split_with(&root, &Caps::default(), input, input.len());
    assert_eq!(whole, split_with(&root, &Caps::default(), input, 1));
    assert_eq!(tree(&whole), "1 multipart/form-data 0\n1.1 text/plain 7\n1.2 application/pdf 7");
    assert_eq!(whole.parts[1].field_name.as_deref(), Some("titel"));
    assert_eq!(whole.parts[2].raw_name.as_deref(), Some("Grundriss Ä.pdf"));
    assert_eq!(whole.parts[2].disposition.as_deref(), Some("form-data"));
    let root = Root::Entity { content_type: "application/pdf".into() };
    assert_eq!(tree(&split_with(&root, &Caps::default(), b"x: y\r\n\r\n--", 3)), "1 application/pdf 10");
    let root = Root::Entity { content_type: "multipart/form-data; boundary=f\r\nX: y".into() };
    assert_eq!(
        tree(&split_with(&root, &Caps::default(), b"", 3)),
        "1 multipart/form-data 0 no-start-boundary"
    );
}

#[test]
fn long_names_are_cut() {
    let name = "ä".repeat(2_000);
    let s = split(&format!("Content-Disposition: attachment; filename=\"{name}\"\n\n"));
    assert_eq!(s.parts[0].raw_name.as_ref().map(String::len), Some(1_024));
    assert_eq!(s.parts[0].defects, [Defect::NameCut]);
}

/// Input made of what a splitter reacts to.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "--",
        "--a",
        "--a--",
        "--ab",
        "--ab--",
        "--a ",
        "-",
        " ",
        "x",
        "Text",
        "Content-Type: multipart/mixed; boundary=a\r\n",
        "Content-Type: multipart/digest; boundary=ab\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "X: y\n",
        "\t",
        "\0",
        "Content-Transfer-Encoding: quoted-printable\r\n",
        "QUJD",
        "QQ==",
        "=C3",
        "=\r\n",
        "=",
        "PK\x03\x04",
        "Content-Disposition: attachment; filename*0*=utf-8''%41; filename*1=",
        "From a\r\n",
        ":",
    ]);
    let token = prop_oneof![
        20 => token.prop_map(|t| t.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn small_caps() -> impl Strategy<Value = Caps> {
    (2u32..6, 2u32..8, 20usize..200, 1u32..5, 0usize..300).prop_map(
        |(depth, parts, header, headers, kept)| Caps {
            max_depth: depth,
            max_parts: parts,
            max_header_bytes: header,
            max_headers: headers,
            max_retained_bytes: kept,
            max_head_bytes: kept,
            ..Caps::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cut_anywhere(input in tokens(), cuts in prop::collection::vec(1usize..40, 1..40), capped in any::<bool>(), caps in small_caps()) {
        let caps = if capped { caps } else { Caps::default() };
        let whole = split_with(&Root::Message, &caps, &input, input.len());
        let mut splitter = Splitter::new(Root::Message, caps.clone());
        let mut rest = input.as_slice();
        for cut in cuts.iter().cycle() {
            let (now, after) = rest.split_at((*cut).min(rest.len()));
            splitter.push(now);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(splitter.finish(), whole.clone());
        prop_assert!(whole.parts.len() <= caps.max_parts as usize);
        prop_assert!(whole.parts.iter().all(|p| p.path.split('.').count() <= caps.max_depth as usize));
        let _ = whole.header.summary();
    }

    #[test]
    fn any_octets(input in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
        let root = Root::Entity { content_type: "multipart/form-data; boundary=\"-\"".into() };
        let whole = split_with(&root, &Caps::default(), &input, input.len());
        prop_assert_eq!(split_with(&root, &Caps::default(), &input, step), whole);
        let _ = split_with(&Root::Message, &Caps::default(), &input, step).header.summary();
    }
}
