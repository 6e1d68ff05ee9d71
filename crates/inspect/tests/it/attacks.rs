// SPDX-License-Identifier: EUPL-1.2
//! Files made to hurt: each is contained by the cap that is named, and what is good in it still comes out.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use poststelle_inspect::Caps;
use poststelle_inspect::codes;

use crate::bed::{All, caps, open, oracle, python, run};
use crate::forge::{Head, close, crc32, deflate, end, gzip, pdf, stream, zip, zlib};

const MIB: usize = 1024 * 1024;

fn contained(all: &All, caps: &Caps) {
    assert!(all.bytes <= caps.unpacked_bytes, "{} octets came out", all.bytes);
    assert!(all.outs.len() as u64 <= caps.members, "{} members came out", all.outs.len());
}

fn failures<'a>(all: &'a All, code: &str) -> Vec<&'a str> {
    all.outs.iter().filter(|o| o.failure.as_deref() == Some(code)).map(|o| o.path.as_str()).collect()
}

#[test]
fn zip_of_death_flat_overlapping() {
    // Fifield 2019: each member quotes the header of the next as a stored block and shares the kernel of zeros.
    let zeros = vec![0; 4 * MIB];
    let kernel = deflate(&zeros);
    let mut heads: Vec<Head> = Vec::new();
    let (mut data, mut plain) = (kernel.clone(), zeros);
    for n in (0..200).rev() {
        if let Some(next) = heads.last() {
            let quoted = next.local();
            let len = quoted.len() as u16;
            data = [&[0], &len.to_le_bytes()[..], &(!len).to_le_bytes(), &quoted, &data].concat();
            plain = [quoted, plain].concat();
        }
        heads.push(Head {
            name: format!("{n:03}").into(),
            method: 8,
            crc: crc32(&plain),
            packed: data.len() as u32,
            size: plain.len() as u32,
            ..Head::default()
        });
    }
    heads.reverse();
    let mut out = heads[0].local();
    for (n, head) in heads.iter_mut().enumerate().skip(1) {
        let _ = n;
        head.offset = (out.len() + 5) as u32;
        out.extend(
            [
                &[0],
                &(head.local().len() as u16).to_le_bytes()[..],
                &(!(head.local().len() as u16)).to_le_bytes(),
            ]
            .concat(),
        );
        out.extend(head.local());
    }
    out.extend(&kernel);
    let directory: Vec<u8> = heads.iter().flat_map(Head::central).collect();
    let file = close(out, &directory, heads.len());
    // It is what it claims to be: a foreign reader opens the last member.
    if oracle("python3") {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.zip"), &file).unwrap();
        python(folder.path(), "import zipfile; assert len(zipfile.ZipFile('a.zip').read('199')) == 4194304");
    }
    let caps = caps();
    let all = open(&file, "a.zip", &caps);
    contained(&all, &caps);
    assert_eq!(all.codes(), [codes::ZIP_OVERLAP]);
    assert_eq!(failures(&all, codes::ZIP_OVERLAP).len(), 199);
    assert_eq!(failures(&all, codes::CAP_RATIO), ["000"]);
    // All entries for the very same octets.
    let one = Head { name: b"a".to_vec(), crc: crc32(b"abc"), packed: 3, size: 3, ..Head::default() };
    let again = |n: u32| Head { name: n.to_string().into(), ..one.clone() };
    let directory: Vec<u8> = (0..100).flat_map(|n| again(n).central()).collect();
    let all = open(&close([one.local(), b"abc".to_vec()].concat(), &directory, 100), "a.zip", &caps);
    assert_eq!((all.bytes, failures(&all, codes::ZIP_OVERLAP).len()), (3, 99));
    assert_eq!(all.codes(), [codes::ZIP_DISAGREES, codes::ZIP_OVERLAP]);
}

#[test]
fn nested_bombs_end_at_the_caps() {
    // 42.zip: sixteen times sixteen times …, each level harmless by itself.
    let mut file = zip(&[("d:0.dat", &vec![0; MIB])]);
    let names: Vec<String> = (0..16).map(|n| format!("d:lib {n}.zip")).collect();
    for _ in 0..4 {
        let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), file.as_slice())).collect();
        file = zip(&members);
    }
    assert!(file.len() < 200_000, "{}", file.len());
    let caps = caps();
    let all = open(&file, "42.zip", &caps);
    contained(&all, &caps);
    assert!(
        all.codes().iter().any(|c| [codes::CAP_BYTES, codes::CAP_MEMBERS, codes::CAP_RATIO].contains(c)),
        "{:?}",
        all.codes()
    );
    // Deeper than allowed.
    let mut file = b"Guten Tag".to_vec();
    for _ in 0..12 {
        file = zip(&[("innen.zip", &file), ("brief.txt", b"gut")]);
    }
    let all = open(&file, "a.zip", &caps);
    assert_eq!(all.codes(), [codes::CAP_DEPTH]);
    assert_eq!(
        all.outs.iter().filter(|o| o.octets == b"gut").count(),
        caps.depth as usize,
        "the good ones come out"
    );
    let mut file = vec![7; 10];
    for _ in 0..12 {
        file = gzip(&file);
    }
    assert_eq!(open(&file, "a.gz", &caps).codes(), [codes::CAP_DEPTH]);
}

#[test]
fn ten_million_entries_are_refused_by_their_count() {
    let caps = caps();
    // ZIP64: the count stands in the end record, and nothing else is read.
    let mut file = zip(&[("a.txt", b"abc")]);
    let at = file.len() - 22;
    let directory = (at - (30 + 5 + 3)) as u64;
    file.truncate(at);
    let count = 10_000_000u64.to_le_bytes();
    let record = [
        b"PK\x06\x06".as_slice(),
        &44u64.to_le_bytes(),
        &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &count,
        &count,
        &directory.to_le_bytes(),
        &38u64.to_le_bytes(),
    ]
    .concat();
    let locator =
        [b"PK\x06\x07\0\0\0\0".as_slice(), &(at as u64).to_le_bytes(), &1u32.to_le_bytes()].concat();
    let mut last = end(0xffff, 0, 0);
    last[12..20].fill(0xff);
    let all = open(&[file, record, locator, last].concat(), "a.zip", &caps);
    assert_eq!(all.codes(), [codes::CAP_MEMBERS]);
    assert_eq!(all.notes[0].1.params["count"], "10000000");
    assert!(all.outs.is_empty());
    // The count lies: it says one, and the directory goes on and on.
    let head = Head { name: b"a".to_vec(), ..Head::default() };
    let directory = head.central().repeat(60_000);
    let all = open(&close(head.local(), &directory, 1), "a.zip", &caps);
    assert_eq!(all.codes(), [codes::CAP_MEMBERS, codes::ZIP_DISAGREES, codes::ZIP_OVERLAP]);
    contained(&all, &caps);
    // And many real ones in a tar.
    let caps = Caps { members: 50, ..caps };
    let mut tar = Vec::new();
    {
        let mut builder = tar::Builder::new(&mut tar);
        for n in 0..100 {
            let mut header = tar::Header::new_ustar();
            header.set_size(0);
            builder.append_data(&mut header, format!("{n}.txt"), std::io::empty()).unwrap();
        }
        builder.finish().unwrap();
    }
    let all = open(&tar, "a.tar", &caps);
    assert_eq!((all.outs.len(), all.codes()), (50, vec![codes::CAP_MEMBERS]));
}

#[test]
fn links_and_hostile_names_in_zip() {
    let link = Head {
        name: b"verweis".to_vec(),
        crc: crc32(b"/etc/passwd"),
        packed: 11,
        size: 11,
        mode: 0o120_777,
        ..Head::default()
    };
    let all =
        open(&close([link.local(), b"/etc/passwd".to_vec()].concat(), &link.central(), 1), "a.zip", &caps());
    assert_eq!(all.get("verweis").failure.as_deref(), Some(codes::MEMBER_LINK));
    let names = ["/etc/passwd", "../../root/.ssh/id", "C:\\x.dll", "a.txt", "A.TXT", "x\u{202e}fdp.exe"];
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (*n, n.as_bytes())).collect();
    let all = open(&zip(&members), "a.zip", &caps());
    assert_eq!(all.paths(), ["etc/passwd", "root/ssh/id", "x.dll", "a.txt", "A (2).TXT", "xfdp.exe"]);
    for (out, name) in all.outs.iter().zip(names) {
        assert_eq!(out.octets, name.as_bytes());
        assert_eq!(out.member.notes.is_empty(), name == "a.txt", "{name}");
    }
}

#[test]
fn headers_that_contradict_each_other_are_noted() {
    let good =
        Head { name: b"Bescheid.pdf".to_vec(), crc: crc32(b"abc"), packed: 3, size: 3, ..Head::default() };
    for bad in [
        Head { name: b"Schadcode.js".to_vec(), ..good.clone() },
        Head { size: 4, ..good.clone() },
        Head { method: 8, ..good.clone() },
        Head { flags: 1, ..good.clone() },
    ] {
        let all = open(&close([bad.local(), b"abc".to_vec()].concat(), &good.central(), 1), "a.zip", &caps());
        assert_eq!(all.codes(), [codes::ZIP_DISAGREES]);
        assert_eq!(all.get("Bescheid.pdf").octets, b"abc");
    }
    // A wrong checksum or size is damage.
    for bad in
        [Head { crc: 1, ..good.clone() }, Head { size: 2, ..good.clone() }, Head { size: 4, ..good.clone() }]
    {
        let all = open(&close([bad.local(), b"abc".to_vec()].concat(), &bad.central(), 1), "a.zip", &caps());
        assert_eq!(all.get("Bescheid.pdf").failure.as_deref(), Some(codes::UNPACK_DAMAGED));
    }
}

#[test]
fn junk_before_between_and_after_is_noted() {
    let good = zip(&[("a.txt", b"abc")]);
    for file in [[b"MZ junk".as_slice(), &good].concat(), [&good, b"junk".as_slice()].concat()] {
        let folder = tempfile::tempdir().unwrap();
        let spool = poststelle_inspect::octets::Spool::of(folder.path(), &file).unwrap();
        let mut budget = poststelle_inspect::unpack::Budget::new(&caps(), || std::time::Duration::ZERO);
        let kind = poststelle_inspect::unpack::Kind::Zip;
        let container = poststelle_inspect::unpack::Container { spool: &spool, kind, name: "a", depth: 1 };
        let mut octets = Vec::new();
        let outcome =
            poststelle_inspect::unpack::unpack(container, &caps(), &mut budget, &mut |_, content| {
                content.read_to_end(&mut octets).map(|_| ())
            })
            .unwrap();
        assert_eq!(octets, b"abc");
        assert_eq!(
            outcome.notes.iter().map(|n| n.code.as_str()).collect::<Vec<_>>(),
            [codes::CONTAINER_JUNK]
        );
    }
    let all = open(&[gzip(b"abc"), b"junk".to_vec()].concat(), "a.gz", &caps());
    assert_eq!(
        (all.codes(), all.outs[0].octets.as_slice()),
        (vec![codes::CONTAINER_JUNK], b"abc".as_slice())
    );
}

#[test]
fn one_bomb_does_not_take_the_others_with_it() {
    let file = zip(&[("vorher.txt", b"gut"), ("d:bombe", &vec![0; 50 * MIB]), ("nachher.txt", b"auch gut")]);
    let all = open(&file, "a.zip", &caps());
    assert_eq!(failures(&all, codes::CAP_RATIO), ["bombe"]);
    assert_eq!(
        (all.get("vorher.txt").octets.as_slice(), all.get("nachher.txt").octets.as_slice()),
        (&b"gut"[..], &b"auch gut"[..])
    );
    assert!(all.bytes < 11 * MIB as u64, "stopped as soon as it is 200 times its packed size: {}", all.bytes);
    // The octets of the whole message end it all, but the names are still told.
    let small = Caps { unpacked_bytes: 3_000, ..caps() };
    let file = zip(&[("a", &vec![1; 2_000]), ("b", &vec![2; 2_000]), ("c", b"x")]);
    let all = open(&file, "a.zip", &small);
    assert_eq!((all.codes(), all.paths()), (vec![codes::CAP_BYTES], vec!["a", "b", "c"]));
    assert_eq!(failures(&all, codes::CAP_BYTES), ["b", "c"]);
    contained(&all, &small);
}

#[test]
fn time_ends_a_container() {
    let folder = tempfile::tempdir().unwrap();
    let file = zip(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
    let spool = poststelle_inspect::octets::Spool::of(folder.path(), &file).unwrap();
    let ticks = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock =
        move || std::time::Duration::from_secs(ticks.fetch_add(10, std::sync::atomic::Ordering::Relaxed));
    let mut budget = poststelle_inspect::unpack::Budget::new(&caps(), clock);
    let kind = poststelle_inspect::unpack::Kind::Zip;
    let container = poststelle_inspect::unpack::Container { spool: &spool, kind, name: "a", depth: 1 };
    let mut seen = 0;
    let outcome = poststelle_inspect::unpack::unpack(container, &caps(), &mut budget, &mut |_, content| {
        seen += 1;
        content.read_to_end(&mut Vec::new()).map(|_| ())
    })
    .unwrap();
    assert_eq!((outcome.notes[0].code.as_str(), seen), (codes::CAP_TIME, 2));
}

/// Changes a 7z header and makes its checksums right again.
fn patch_seven(file: &mut [u8], from: &[u8], to: &[u8]) {
    let number = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let (start, len) = (32 + number(12), number(20));
    let at =
        file[start..start + len].windows(from.len()).position(|w| w == from).expect("the octets are there")
            + start;
    file[at..at + to.len()].copy_from_slice(to);
    let crc = crc32(&file[start..start + len]);
    file[28..32].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32(&file[12..32]);
    file[8..12].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn seven_zip_bombs() {
    if !oracle("7z") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nullen");
    std::fs::write(&path, vec![0; 100 * MIB]).unwrap();
    std::fs::write(folder.path().join("brief.txt"), "gut").unwrap();
    std::fs::write(folder.path().join("viele.txt"), "auch gut").unwrap();
    run(folder.path(), "7z", &["a", "-ms=off", "a.7z", "brief.txt", "nullen"]);
    let file = std::fs::read(folder.path().join("a.7z")).unwrap();
    let all = open(&file, "a.7z", &caps());
    contained(&all, &caps());
    assert_eq!(failures(&all, codes::CAP_RATIO), ["nullen"]);
    assert_eq!(all.get("brief.txt").octets, b"gut");
    assert!(all.bytes < 5 * MIB as u64, "stopped as soon as it is 200 times the archive: {}", all.bytes);
    // In one solid block the rest cannot be had, and the note says why.
    run(folder.path(), "7z", &["a", "-ms=on", "-mqs=off", "s.7z", "brief.txt", "nullen", "viele.txt"]);
    let all = open(&std::fs::read(folder.path().join("s.7z")).unwrap(), "s.7z", &caps());
    assert_eq!(failures(&all, codes::CAP_RATIO), ["nullen", "viele.txt"]);
    // A dictionary of 4 GiB is not even asked for.
    run(folder.path(), "7z", &["a", "-mhc=off", "-m0=lzma2", "b.7z", "brief.txt"]);
    let mut file = std::fs::read(folder.path().join("b.7z")).unwrap();
    patch_seven(&mut file, &[0x21, 0x21, 1, 0], &[0x21, 0x21, 1, 40]);
    assert_eq!(failures(&open(&file, "b.7z", &caps()), codes::CAP_MEMORY), ["brief.txt"]);
    // Nor for a packed header; this one claims a dictionary of 3.75 GiB.
    std::fs::create_dir(folder.path().join("viele")).unwrap();
    for n in 0..40 {
        std::fs::write(folder.path().join(format!("viele/{n}.txt")), "gut").unwrap();
    }
    run(folder.path(), "7z", &["a", "c.7z", "viele"]);
    let mut file = std::fs::read(folder.path().join("c.7z")).unwrap();
    patch_seven(&mut file, &[0x23, 3, 1, 1, 5, 0x5d], &[0x23, 3, 1, 1, 5, 0x5d, 0, 0, 0, 0xf0]);
    assert_eq!(open(&file, "c.7z", &caps()).codes(), [codes::CAP_MEMORY]);
}

#[test]
fn pdf_bombs() {
    let bomb = zlib(&vec![0; 100 * MIB]);
    let specification = b"<< /Type /Filespec /UF (bombe.bin) /EF << /F 3 0 R >> >>".to_vec();
    let good = b"<< /Type /Filespec /UF (\xfe\xff\0b\0r\0i\0e\0f) /EF << /F 5 0 R >> >>".to_vec();
    let catalogue = b"<< /Type /Catalog >>".to_vec();
    let embedded = stream("/Type /EmbeddedFile /Filter /FlateDecode", &bomb);
    let file =
        pdf(&[catalogue.clone(), specification, embedded, good, stream("/Type /EmbeddedFile", b"gut")], "");
    let all = open(&file, "a.pdf", &caps());
    contained(&all, &caps());
    assert_eq!(failures(&all, codes::CAP_RATIO), ["bombe.bin"]);
    assert_eq!(all.get("brief").octets, b"gut");
    // The same in an object stream, which readers unpack before they know anything.
    let objects = stream("/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode", &bomb);
    let all = open(&pdf(&[catalogue.clone(), objects], ""), "a.pdf", &caps());
    assert_eq!((all.codes(), all.outs.len()), (vec![codes::PDF_BOMB], 0));
    // Many object streams, each within its cap, also under an escaped name.
    for name in ["ObjStm", "#4fbj#53tm"] {
        let one = zlib(&vec![b' '; 7 * MIB]);
        let one = stream(&format!("/Type /{name} /N 0 /First 0 /Filter /FlateDecode"), &one);
        let many: Vec<_> = std::iter::once(catalogue.clone()).chain(std::iter::repeat_n(one, 20)).collect();
        assert_eq!(open(&pdf(&many, ""), "a.pdf", &caps()).codes(), [codes::PDF_BOMB], "{name}");
    }
    // Too large to be read whole: said, not tried.
    let small = Caps { whole_bytes: 100, ..caps() };
    assert_eq!(open(&pdf(&[catalogue], ""), "a.pdf", &small).codes(), [codes::CAP_WHOLE]);
}

#[test]
fn truncated_files_give_what_they_have() {
    if !(oracle("7z") && oracle("tar")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = "Zeile um Zeile.\n".repeat(3_000);
    std::fs::write(folder.path().join("a.txt"), &text).unwrap();
    std::fs::write(folder.path().join("b.txt"), &text).unwrap();
    run(folder.path(), "7z", &["a", "a.zip", "a.txt", "b.txt"]);
    run(folder.path(), "7z", &["a", "a.7z", "a.txt", "b.txt"]);
    run(folder.path(), "tar", &["-cf", "a.tar", "a.txt", "b.txt"]);
    run(folder.path(), "tar", &["-czf", "a.tgz", "a.txt", "b.txt"]);
    for name in ["a.zip", "a.7z", "a.tar", "a.tgz"] {
        let file = std::fs::read(folder.path().join(name)).unwrap();
        let whole = open(&file, name, &caps());
        assert_eq!(whole.notes, [], "{name}");
        for cut in 1..40 {
            let all = open(&file[..file.len() * cut / 40], name, &caps());
            for out in all.outs.iter().filter(|o| o.path.ends_with(".txt") && o.failure.is_none()) {
                assert!(out.octets == text.as_bytes(), "{name} cut at {cut}/40: a whole member is whole");
            }
            let told = !all.notes.is_empty() || all.outs.iter().any(|o| o.failure.is_some());
            // A tar ends with more zeros than it needs; below a few octets nothing is recognised.
            assert!(told || cut > 36 && name == "a.tar" || all.outs.is_empty(), "{name} cut at {cut}/40");
        }
        // One octet changed anywhere: never a panic, never wrong content passed as whole.
        for at in (0..file.len()).step_by(file.len() / 60 + 1) {
            let mut bad = file.clone();
            bad[at] ^= 0x41;
            let all = open(&bad, name, &caps());
            if name != "a.tar" {
                for out in all.outs.iter().filter(|o| o.path.ends_with(".txt") && o.failure.is_none()) {
                    assert!(out.octets == text.as_bytes(), "{name} changed at {at}");
                }
            }
        }
    }
}

/// Peak of this process so far, octets.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Runs only as a process of its own, started by the test below: opens one file and prints what it took.
#[test]
fn measured_child() {
    let Ok(path) = std::env::var("POSTSTELLE_TEST_OPEN") else { return };
    let file = std::fs::read(&path).unwrap();
    let before = peak();
    let caps =
        Caps { unpacked_bytes: 300 * MIB as u64, ratio: u64::MAX / 1024 / 1024 / 1024, ..Caps::default() };
    let all = open(&file, Path::new(&path).file_name().unwrap().to_str().unwrap(), &caps);
    println!("TOOK {} FOR {}", peak() - before, all.bytes);
}

#[test]
fn memory_stays_small_whatever_comes_out() {
    if !(oracle("7z") && oracle("tar")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("viel")).unwrap();
    let piece: Vec<u8> = (0..MIB).map(|n| ((n * n) >> 7) as u8).collect();
    (0..200).for_each(|_| file.write_all(&piece).unwrap());
    drop(file);
    run(folder.path(), "7z", &["a", "-mx=1", "a.zip", "viel"]);
    run(folder.path(), "7z", &["a", "-mx=1", "a.7z", "viel"]);
    run(folder.path(), "tar", &["-cf", "a.tar", "viel"]);
    run(folder.path(), "tar", &["-czf", "a.tgz", "viel"]);
    for (name, times) in [("a.zip", 1), ("a.7z", 1), ("a.tgz", 2)] {
        let out = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "attacks::measured_child", "--nocapture"])
            .env("POSTSTELLE_TEST_OPEN", folder.path().join(name))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let words: Vec<&str> =
            text.lines().find_map(|l| l.strip_prefix("TOOK ")).expect(&text).split(' ').collect();
        let (took, bytes): (usize, usize) = (words[0].parse().unwrap(), words[2].parse().unwrap());
        println!("{name}: {bytes} octets came out, {took} octets of memory");
        // The second level of the tgz meets the cap of 300 MiB; that is enough.
        assert!(bytes >= 200 * MIB && bytes <= times * 201 * MIB, "{name}: {bytes}");
        assert!(took <= 12 * MIB, "{name}: {took} octets of memory");
    }
}
