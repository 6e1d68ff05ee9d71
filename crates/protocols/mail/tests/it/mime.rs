// SPDX-License-Identifier: EUPL-1.2
//! The splitter against Python's `email` package, and its memory with big messages.

use std::path::Path;
use std::process::Command;

use poststelle_mail::mime::{Caps, Kind, Root, Split, Splitter};

/// A small generator of numbers: the same messages in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn octets(&mut self, max: usize) -> Vec<u8> {
        (0..self.below(max)).map(|_| self.next() as u8).collect()
    }
}

const NAMES: &[&str] = &[
    "",
    "Content-Disposition: attachment; filename=\"Antrag Nr. 5.pdf\"",
    "Content-Disposition: attachment; filename=Antrag.pdf",
    "Content-Disposition: attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20aus%20Schwerin.pdf",
    "Content-Disposition: attachment;\n filename*0*=iso-8859-1''Stra%DFe%20;\n filename*1*=%FCber;\n filename*2=\".pdf\"",
    "Content-Disposition: attachment;\n filename*0=\"langer Name, Teil 1 \"; filename*1=\"und 2.pdf\"",
    "Content-Disposition: INLINE; size=3; filename=\"=?utf-8?Q?=C3=9Cbersicht.pdf?=\"",
    "Content-Disposition: attachment; filename=\"=?iso-8859-1?B?3GJlcnNpY2h0?= =?utf-8?B?w6Qu?= =?utf-8?Q?pdf?=\"",
    "Content-Disposition: attachment; filename=\"a \\\"b\\\" c.txt\"",
    "Content-Disposition: attachment; filename=\"../../etc/passwd\"",
];

const TYPES: &[&str] = &[
    "",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Type: TEXT/HTML;\n charset=\"iso-8859-1\"",
    "Content-Type: application/pdf",
    "Content-Type: image/png; name=bild.png",
    "Content-Type: application/octet-stream; name*=utf-8''%C3%A4.bin",
    "Content-Type: kaputt",
    "Content-Type: application/x-a;b=c;;d",
];

/// Writes one entity, header first, without a line break at its end.
fn entity(dice: &mut Dice, depth: usize, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, text: &str| {
        if !text.is_empty() {
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
        }
    };
    let kind = dice.below(10);
    if kind < 4 && depth < 5 {
        // boundaries that begin like each other on purpose
        let boundary = format!("=_{}{}", "b".repeat(depth + 1), dice.pick(&["", "x", " y", "'()+_,-./:=?"]));
        let subtype = dice.pick(&["mixed", "alternative", "related", "signed", "digest"]);
        line(out, &format!("Content-Type: multipart/{subtype};\n\tboundary=\"{boundary}\""));
        line(out, dice.pick(NAMES));
        out.push(b'\n');
        out.extend_from_slice(
            dice.pick(&["", "This is a multi-part message.\n", "\n\n", "--\n-- \n"]).as_bytes(),
        );
        for _ in 0..=dice.below(4) {
            out.extend_from_slice(format!("--{boundary}{}\n", dice.pick(&["", "", " ", "\t "])).as_bytes());
            if subtype == "digest" {
                // Otherwise a part would be a message by default and its encoding an error on which we differ.
                out.extend_from_slice(dice.pick(&["\n", "Content-Type: message/rfc822\n\n"]).as_bytes());
            }
            entity(dice, depth + 1, out);
            out.push(b'\n');
        }
        out.extend_from_slice(
            format!("--{boundary}--{}", dice.pick(&["", "", "\n", "\nEpilog\n"])).as_bytes(),
        );
    } else if kind == 4 && depth < 5 {
        line(out, "Content-Type: message/rfc822");
        out.extend_from_slice(b"\nSubject: weitergeleitet\nFrom: a@b.example\n");
        entity(dice, depth + 1, out);
    } else {
        line(out, dice.pick(TYPES));
        line(out, dice.pick(NAMES));
        match dice.below(4) {
            0 => {
                line(out, "Content-Transfer-Encoding: BASE64\n");
                let text = base64(&dice.octets(2_000));
                out.extend_from_slice(text.as_bytes());
            }
            1 => {
                line(out, "Content-Transfer-Encoding: quoted-printable\n");
                for _ in 0..dice.below(20) {
                    let piece = dice.pick(&[
                        "Gr=C3=BC=C3=9Fe",
                        "=\n",
                        "\n",
                        "=20\n",
                        "a b.",
                        "=3D",
                        "--=\n-",
                        "x=00",
                    ]);
                    out.extend_from_slice(piece.as_bytes());
                }
            }
            2 => {
                line(out, "Content-Transfer-Encoding: 8bit\n");
                for _ in 0..dice.below(30) {
                    let piece = dice.pick(&[
                        "Grüße\n",
                        "-",
                        "--",
                        "\n--",
                        "\n",
                        "\n--=_",
                        "\n\n",
                        "Antrag ",
                        "From x\n",
                    ]);
                    out.extend_from_slice(piece.as_bytes());
                }
            }
            _ => {
                out.push(b'\n');
                out.extend_from_slice(
                    dice.pick(&["", "Text", "Text\n", "\n", "Zeile 1\nZeile 2\n\n"]).as_bytes(),
                );
            }
        }
    }
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (i, chunk) in octets.chunks(3).enumerate() {
        if i > 0 && i % 19 == 0 {
            out.push('\n');
        }
        let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            match digit <= chunk.len() {
                true => out.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])),
                false => out.push('='),
            }
        }
    }
    out
}

fn message(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut out = b"From: Erika Musterfrau <erika@example.org>\nSubject: Test\nMIME-Version: 1.0\n".to_vec();
    entity(&mut dice, 0, &mut out);
    let whole = out.len();
    if dice.below(5) == 0 && !out.windows(6).any(|w| w == b"BASE64") {
        // The end went missing. (Python gives up decoding base64 with half a delimiter after it; we do not.)
        if let Some(last) = out.windows(3).rposition(|w| w == b"\n--") {
            out.truncate(last + dice.below(5));
            // Python takes the last line break for one that belongs to a delimiter; we keep it.
            while out.last() == Some(&b'\n') {
                out.pop();
            }
        }
    }
    let eol = match dice.pick(&["\r\n", "\r\n", "\n", "\r"]) {
        // Python drops everything up to the next LF after a soft break that ends with a lone CR, and a
        // lone CR at the very end.
        "\r" if out.len() != whole || out.windows(9).any(|w| w == b"printable") => "\n",
        eol => eol,
    };
    let mut lines = Vec::new();
    for octet in out {
        if octet == b'\n' {
            lines.extend_from_slice(eol.as_bytes());
        } else {
            lines.push(octet);
        }
    }
    lines
}

fn split(input: &[u8], step: usize) -> Split {
    let mut splitter = Splitter::new(Root::Message, Caps::default());
    input.chunks(step).for_each(|piece| splitter.push(piece));
    splitter.finish()
}

/// What both sides must agree on, a line per entity.
fn ours(input: &[u8]) -> Vec<String> {
    let line = |p: &poststelle_mail::mime::Entity| {
        let name = p.raw_name.as_deref().unwrap_or("-");
        let digest: String = match (p.kind, p.sha256) {
            (Kind::Leaf, Some(d)) => d.iter().map(|b| format!("{b:02x}")).collect(),
            _ => "container".to_owned(),
        };
        format!("{}|{name}|{digest}", p.media_type)
    };
    split(input, 1_000).parts.iter().map(line).collect()
}

const ORACLE: &str = r#"
import email, hashlib, json, os, sys
from email.header import decode_header, make_header
out = {}
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), 'rb') as f:
        message = email.message_from_bytes(f.read())
    lines = []
    for part in message.walk():
        file = part.get_filename()
        file = str(make_header(decode_header(file))) if file else '-'
        if part.is_multipart():
            digest = 'container'
        else:
            digest = hashlib.sha256(part.get_payload(decode=True)).hexdigest()
        lines.append(f'{part.get_content_type()}|{file}|{digest}')
    out[name] = lines
json.dump(out, sys.stdout)
"#;

#[test]
fn agrees_with_python() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert_ne!(std::env::var("POSTSTELLE_REQUIRE_ORACLES").as_deref(), Ok("1"), "python3 is required");
        println!("SKIPPED: python3 is not there, splitter not compared with Python's email package");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let count = 2_000;
    for seed in 1..=count {
        std::fs::write(dir.path().join(format!("{seed:05}")), message(seed)).unwrap();
    }
    let oracle = Command::new("python3").args(["-c", ORACLE]).arg(dir.path()).output().unwrap();
    assert!(oracle.status.success(), "{}", String::from_utf8_lossy(&oracle.stderr));
    let theirs: serde_json::Value = serde_json::from_slice(&oracle.stdout).unwrap();
    let mut entities = 0;
    for seed in 1..=count {
        let name = format!("{seed:05}");
        let theirs: Vec<&str> =
            theirs[&name].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let input = message(seed);
        entities += theirs.len();
        assert_eq!(ours(&input), theirs, "message {seed}:\n{}", input.escape_ascii());
    }
    assert!(entities > 5_000, "{entities} entities are too few to say much");
}

/// Pushes a generated mail; gives the split and the most memory the splitter held.
fn push_big(parts: usize, header: &str, block: &[u8], blocks: usize) -> (Split, usize) {
    let mut splitter = Splitter::new(Root::Message, Caps::default());
    splitter.push(b"Content-Type: multipart/mixed; boundary=b\r\n");
    let mut memory = 0;
    for _ in 0..parts {
        splitter.push(format!("\r\n--b\r\n{header}\r\n\r\n").as_bytes());
        for _ in 0..blocks {
            splitter.push(block);
        }
        memory = memory.max(splitter.memory());
    }
    splitter.push(b"\r\n--b--\r\n");
    (splitter.finish(), memory)
}

const TWO_HUNDRED_MB: (&str, usize) = ("Content-Transfer-Encoding: base64", 3_200);

/// Runs only as a process of its own, started by [`memory_is_bounded`]: prints how much it grew.
#[test]
#[ignore = "started by memory_is_bounded"]
fn child_memory() {
    let block = format!("{}\r\n", "QUJD".repeat(19)).repeat(820);
    let before = resident();
    let (split, memory) = match std::env::var("POSTSTELLE_TEST_BIG").as_deref() {
        Ok("one") => push_big(1, TWO_HUNDRED_MB.0, block.as_bytes(), TWO_HUNDRED_MB.1),
        _ => push_big(10_000, "Content-Disposition: attachment; filename=\"Anlage.txt\"", &[b'x'; 100], 1),
    };
    let grown = resident().saturating_sub(before);
    println!("RESULT {} {} {memory} {grown}", split.len, split.parts.len());
}

/// Peak resident memory of this process in octets.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[test]
fn memory_is_bounded() {
    for (big, len, parts) in [("one", 200_000_000, 2), ("many", 1_600_000, 10_001)] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "mime::child_memory", "--ignored", "--nocapture"])
            .env("POSTSTELLE_TEST_BIG", big)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        let result = text.lines().find_map(|l| l.split_once("RESULT ")).unwrap_or_else(|| panic!("{text}"));
        let numbers: Vec<u64> = result.1.split(' ').map(|n| n.parse().unwrap()).collect();
        println!("{big}: octets, entities, splitter's memory, growth of the process: {numbers:?}");
        assert!(numbers[0] >= len && numbers[1] == parts, "{numbers:?}");
        assert!(numbers[2] < 16_000_000 && numbers[3] < 20_000_000, "{numbers:?}");
    }
}

#[test]
fn example_file_round_trip() {
    // What the splitter says about ranges is enough to cut every part out of the stored file again.
    let input = message(7);
    let split = split(&input, 17);
    assert_eq!(split.len, input.len() as u64);
    let root = &split.parts[0];
    assert_eq!((root.header.start, root.body.end), (0, split.len));
    assert!(Path::new(&root.path) == Path::new("1"));
}
