// SPDX-License-Identifier: EUPL-1.2
//! Prints the part tree of a message as JSON: `split FILE` (or `-` for standard input).
//!
//! `split --bench MEGABYTES` takes generated mail apart instead, and prints how fast: one base64 mail, one
//! of plain text, one with many small parts.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::io::Read;
use std::time::Instant;

use poststelle_mail::mime::{Caps, Entity, Root, Split, Splitter};
use poststelle_mail::name::{safe_file_name, unique};
use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--bench", megabytes] => {
            let megabytes: usize = megabytes.parse().map_err(std::io::Error::other)?;
            let base64 = format!("{}\r\n", "QUJDRA+/".repeat(10).get(..76).unwrap_or_default());
            bench("base64", base64.as_bytes(), "base64", megabytes);
            bench("text", b"Sehr geehrte Damen und Herren, -- anbei der Antrag.\r\n", "8bit", megabytes);
            let part = "\r\n--x\r\nContent-Type: text/plain; name=a.txt\r\n\r\nSehr geehrte Damen und Herren";
            bench("1 KB parts", format!("{part}{}", ".".repeat(930)).as_bytes(), "8bit", megabytes);
        }
        ["-"] => print(std::io::stdin().lock())?,
        [file] => print(std::fs::File::open(file)?)?,
        _ => println!("split FILE | split - | split --bench MEGABYTES"),
    }
    Ok(())
}

fn bench(what: &str, unit: &[u8], encoding: &str, megabytes: usize) {
    let block = unit.repeat((1_000_000 / unit.len()).max(1));
    let mut splitter = Splitter::new(Root::Message, Caps { max_parts: u32::MAX, ..Caps::default() });
    let head = format!(
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    splitter.push(head.as_bytes());
    let mut memory = 0;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    for _ in 0..megabytes {
        splitter.push(&block);
        memory = memory.max(splitter.memory());
    }
    let split = splitter.finish();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let result = json!({
        "name": what, "octets": split.len, "parts": split.parts.len(), "seconds": seconds,
        "cpu_seconds": cpu, "memory_bytes": memory,
        "megabytes_per_second": split.len as f64 / 1e6 / seconds,
        "megabytes_per_cpu_second": split.len as f64 / 1e6 / cpu,
    });
    println!("{result}");
}

/// Time this program spent on a processor (Linux); tells more than the clock on a busy machine.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|n| n.parse::<f64>().ok()).map_or(f64::NAN, |n| n / 1e9)
}

fn print(mut input: impl Read) -> std::io::Result<()> {
    let mut splitter = Splitter::new(Root::Message, Caps::default());
    let mut buf = vec![0; 64 * 1024];
    loop {
        match input.read(&mut buf)? {
            0 => break,
            n => splitter.push(buf.get(..n).unwrap_or_default()),
        }
    }
    println!("{:#}", tree(&splitter.finish()));
    Ok(())
}

fn tree(split: &Split) -> Value {
    let names = unique(split.parts.iter().map(|p| safe_file_name(p.raw_name.as_deref(), &p.media_type, p.n)));
    let summary = split.header.summary();
    json!({
        "octets": split.len,
        "subject": summary.subject,
        "from": summary.from.iter().map(|m| &m.address).collect::<Vec<_>>(),
        "date": summary.date.map(|d| d.unix),
        "defects": split.defects.iter().map(|d| d.code()).collect::<Vec<_>>(),
        "parts": split.parts.iter().zip(&names).map(|(p, name)| part(p, name)).collect::<Vec<_>>(),
    })
}

fn part(part: &Entity, name: &str) -> Value {
    json!({
        "n": part.n, "parent": part.parent, "path": part.path,
        "header": [part.header.start, part.header.end],
        "body": [part.body.start, part.body.end],
        "media_type": part.media_type, "detected": part.detected, "charset": part.charset,
        "encoding": part.encoding.as_str(), "disposition": part.disposition,
        "raw_name": part.raw_name, "name": name, "field_name": part.field_name, "content_id": part.content_id,
        "decoded_len": part.decoded_len,
        "sha256": part.sha256.map(|digest| hex(&digest)),
        "defects": part.defects.iter().map(|d| d.code()).collect::<Vec<_>>(),
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}
