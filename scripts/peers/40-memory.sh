#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# One mail of 200 MB and one with 10,000 parts of 100 octets, in by SMTP, out into the hot folder: the hub's resident
# memory may grow by at most 64 MB for each (peak of the process against its state before).
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
hub_start hub --quiet --message-bytes 314572800 >&2
python3 - "$DEMO" "$(cat "$HUB/pid")" <<'PY'
import json, os, smtplib, sys, time
sheet, pid = json.load(open(sys.argv[1])), sys.argv[2]
CAP = 64
def rss(field):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(field))
def packages():
    return sum(not name.startswith(".") for name in os.listdir(sheet["hotfolder"]))
def send(name, pieces, judged=True):
    with open(f"/proc/{pid}/clear_refs", "w") as refs:
        refs.write("5")
    before, there = rss("VmRSS"), packages()
    host, port = sheet["smtp"].rsplit(":", 1)
    with smtplib.SMTP(host, int(port), timeout=120) as smtp:
        smtp.ehlo("aussen.example")
        smtp.mail("absender@aussen.example")
        smtp.rcpt(sheet["recipient"])
        smtp.docmd("DATA")
        for piece in pieces:
            smtp.sock.sendall(piece)
        smtp.sock.sendall(b"\r\n.\r\n")
        code, _ = smtp.getreply()
    end = time.monotonic() + 120
    while packages() == there and time.monotonic() < end:
        time.sleep(0.05)
    grown = rss("VmHWM") - before
    good = code == 250 and packages() > there and grown <= CAP
    if judged:
        print(f"{'PASS' if good else 'FAIL'} {name}: answer {code}, {packages() - there} handed over, {grown} MB more (cap {CAP})")
    return good
def head(subject):
    return (f"From: absender@aussen.example\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n").encode()
def huge():
    yield head("gross") + (b"--x\r\nContent-Type: application/octet-stream; name=gross.bin\r\n"
                           b"Content-Transfer-Encoding: base64\r\n\r\n")
    block = (b"QUJD" * 19 + b"\r\n") * 8192
    for _ in range(200 * 1024 * 1024 // len(block)):
        yield block
    yield b"--x--"
def many():
    yield head("viele")
    for n in range(10000):
        yield b"--x\r\nContent-Type: text/plain; name=t%d.txt\r\n\r\n" % n + b"y" * 100 + b"\r\n"
    yield b"--x--"
send("first mail", [b"Subject: erste\r\n\r\nText"], judged=False)
good = [send("200 MB in one mail", huge()), send("10,000 parts in one mail", many())]
sys.exit(0 if all(good) else 1)
PY
