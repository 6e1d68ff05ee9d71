// SPDX-License-Identifier: EUPL-1.2
//! Archives made by foreign programs: every member comes out byte by byte.

use std::collections::BTreeMap;
use std::path::Path;

use poststelle_inspect::codes;

use crate::bed::{All, caps, open, oracle, python, run};

/// Files to pack, with names and sizes that matter.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let text = "Sehr geehrte Damen und Herren, anbei der Bescheid. ".repeat(400);
    files.insert("Bescheid.txt".to_owned(), text.into_bytes());
    files.insert("Anlagen/Grüße.txt".to_owned(), "Grüße aus Schwerin".as_bytes().to_vec());
    files.insert("Anlagen/leer.txt".to_owned(), Vec::new());
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    files.insert("Anlagen/tief/Plan.bin".to_owned(), (0..1_500_000).map(|_| noise()).collect());
    let long = format!("{}/{}.bin", "Ordner-mit-langem-Namen".repeat(5), "Datei-mit-langem-Namen-".repeat(6));
    files.insert(long, vec![7; 3_000]);
    for (name, octets) in &files {
        let path = folder.join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, octets).unwrap();
    }
    files
}

fn same(all: &All, files: &BTreeMap<String, Vec<u8>>, prefix: &str, what: &str) {
    assert_eq!(all.notes, [], "{what}");
    let mut seen = 0;
    for out in all.outs.iter().filter(|o| !o.path.ends_with(".tar")) {
        let name = out.path.strip_prefix(prefix).unwrap_or_else(|| panic!("{what}: {}", out.path));
        assert_eq!(out.failure, None, "{what} {name}");
        assert_eq!(out.member.notes, [], "{what} {name}");
        assert!(files.get(name) == Some(&out.octets), "{what} {name}: {} octets", out.octets.len());
        seen += 1;
    }
    assert_eq!(seen, files.len(), "{what}: {:?}", all.paths());
}

fn read(folder: &Path, name: &str) -> All {
    open(&std::fs::read(folder.join(name)).unwrap(), name, &caps())
}

#[test]
fn zip_of_python_and_7z() {
    if !(oracle("python3") && oracle("7z")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = files(folder);
    python(folder, "import shutil; shutil.make_archive('a', 'zip', 'in')");
    same(&read(folder, "a.zip"), &files, "", "python zipfile");
    python(
        folder,
        r"
import zipfile, os
def fill(z, how):
    for root, _, names in os.walk('in'):
        for n in names:
            p = os.path.join(root, n)
            with open(p, 'rb') as f, z.open(zipfile.ZipInfo(os.path.relpath(p, 'in')), 'w', force_zip64=how) as t:
                t.write(f.read())
class Out:  # cannot seek: sizes follow in data descriptors
    def __init__(self, f): self.f = f
    def write(self, b): return self.f.write(b)
    def flush(self): self.f.flush()
with open('stream.zip', 'wb') as f, zipfile.ZipFile(Out(f), 'w', zipfile.ZIP_DEFLATED) as z: fill(z, False)
with zipfile.ZipFile('zip64.zip', 'w') as z: fill(z, True)
with zipfile.ZipFile('comment.zip', 'w') as z:
    fill(z, False)
    z.comment = b'PK\x05\x06 ist kein Ende' + b'.' * 3000
with zipfile.ZipFile('lzma.zip', 'w', zipfile.ZIP_LZMA) as z: z.writestr('a.txt', 'a' * 100)
",
    );
    for name in ["stream.zip", "zip64.zip", "comment.zip"] {
        same(&read(folder, name), &files, "", name);
    }
    let all = read(folder, "lzma.zip");
    assert_eq!(all.get("a.txt").failure.as_deref(), Some(codes::UNPACK_METHOD));
    run(&folder.join("in"), "7z", &["a", "-tzip", "-mcu=on", "../b.zip", "."]);
    same(&read(folder, "b.zip"), &files, "", "7z -tzip");
    run(&folder.join("in"), "7z", &["a", "-tzip", "-psecret", "../c.zip", "."]);
    let all = read(folder, "c.zip");
    assert_eq!(all.outs.len(), files.len());
    // An empty file has nothing to protect; 7z leaves it open.
    for out in all.outs.iter().filter(|o| o.member.size != Some(0)) {
        assert_eq!(out.failure.as_deref(), Some(codes::MEMBER_ENCRYPTED), "{}", out.path);
    }
}

#[test]
fn tar_of_gnu_tar_and_python() {
    if !(oracle("python3") && oracle("tar") && oracle("gzip")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = files(folder);
    for format in ["gnu", "pax"] {
        run(folder, "tar", &["--format", format, "-C", "in", "-cf", "a.tar", "."]);
        same(&read(folder, "a.tar"), &files, "", format);
        run(folder, "tar", &["--format", format, "-C", "in", "-czf", "akte.tgz", "."]);
        same(&read(folder, "akte.tgz"), &files, "akte.tar/", "tgz");
    }
    run(folder, "gzip", &["-k", "in/Bescheid.txt"]);
    run(folder, "sh", &["-c", "cat in/Bescheid.txt.gz in/Bescheid.txt.gz > zwei.gz"]);
    let all = read(folder, "zwei.gz");
    assert_eq!(all.get("Bescheid.txt").octets, files["Bescheid.txt"].repeat(2));
    python(
        folder,
        r"
import tarfile, io
with tarfile.open('special.tar', 'w') as t:
    def add(name, type, link=''):
        i = tarfile.TarInfo(name); i.type = type; i.linkname = link; t.addfile(i)
    add('verweis', tarfile.SYMTYPE, '/etc/passwd'); add('hart', tarfile.LNKTYPE, '../../etc/shadow')
    add('null', tarfile.CHRTYPE); add('rohr', tarfile.FIFOTYPE)
    i = tarfile.TarInfo('/etc/cron.d/x'); i.size = 3; t.addfile(i, io.BytesIO(b'abc'))
    i = tarfile.TarInfo('../../x'); i.size = 3; t.addfile(i, io.BytesIO(b'def'))
",
    );
    let all = read(folder, "special.tar");
    for (path, code) in [
        ("verweis", codes::MEMBER_LINK),
        ("hart", codes::MEMBER_LINK),
        ("null", codes::MEMBER_SPECIAL),
        ("rohr", codes::MEMBER_SPECIAL),
    ] {
        assert_eq!(all.get(path).failure.as_deref(), Some(code), "{path}");
        assert_eq!(all.get(path).len, 0);
    }
    assert_eq!(
        (all.get("etc/cron.d/x").octets.as_slice(), all.get("x").octets.as_slice()),
        (&b"abc"[..], &b"def"[..])
    );
    assert_eq!(all.get("x").member.notes[0].code, codes::NAME_CLIMBS);
}

#[test]
fn seven_zip_of_7z() {
    if !oracle("7z") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let files = files(folder);
    for (n, args) in [
        &["-m0=lzma2"][..],
        &["-m0=lzma", "-ms=off"],
        &["-m0=copy"],
        &["-m0=lzma2", "-mhc=off"],
        &["-m0=delta:4", "-m1=lzma2"],
        &["-mx=9"],
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{n}.7z");
        let out = format!("../{name}");
        run(&folder.join("in"), "7z", &[&["a", &out], *args, &["."]].concat());
        same(&read(folder, &name), &files, "", &format!("{args:?}"));
    }
    run(&folder.join("in"), "7z", &["a", "-psecret", "../p.7z", "."]);
    let all = read(folder, "p.7z");
    assert_eq!(all.outs.len(), files.len());
    for out in all.outs.iter().filter(|o| o.member.size != Some(0)) {
        assert_eq!(out.failure.as_deref(), Some(codes::MEMBER_ENCRYPTED), "{}", out.path);
    }
    run(&folder.join("in"), "7z", &["a", "-psecret", "-mhe=on", "../h.7z", "."]);
    assert_eq!(read(folder, "h.7z").codes(), [codes::MEMBER_ENCRYPTED]);
    run(&folder.join("in"), "7z", &["a", "-m0=ppmd", "../q.7z", "."]);
    let all = read(folder, "q.7z");
    assert_eq!(all.get("Bescheid.txt").failure.as_deref(), Some(codes::UNPACK_METHOD));
}
