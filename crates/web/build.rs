// SPDX-License-Identifier: EUPL-1.2
//! Embeds the static files: our own style, and KERN-UX with fonts when `assets/dist` is there.
//!
//! Writes `static_files.rs` with one digest over all of them: it is part of every address, so that a browser may keep
//! a file for ever and relative addresses inside style sheets still work.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let own = here.join("assets");
    let dist = here.join("../../assets/dist");
    println!("cargo::rerun-if-changed={}", own.display());
    // A missing path would count as changed at every build: watch the folder in which it will appear.
    let watched = if dist.is_dir() { dist.clone() } else { here.join("../../assets") };
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    gather(&own, "", &mut files)?;
    if dist.join("kern.min.css").is_file() {
        gather(&dist.canonicalize()?, "", &mut files)?;
    }
    files.sort();
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    let mut list = String::new();
    for (name, path) in &files {
        let Some(kind) = media_type(name) else { continue };
        for byte in name.bytes().chain(std::fs::read(path)?) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        writeln!(list, "    ({name:?}, {kind:?}, include_bytes!({:?})),", path.display().to_string())?;
    }
    let text = format!(
        "/// Digest over all files.\npub const DIGEST: &str = \"{digest:016x}\";\n\
         /// Name, media type, octets.\npub static FILES: &[(&str, &str, &[u8])] = &[\n{list}];\n"
    );
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("static_files.rs"), text)?;
    Ok(())
}

fn gather(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "woff2" => Some("font/woff2"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
