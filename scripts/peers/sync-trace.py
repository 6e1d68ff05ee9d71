# SPDX-License-Identifier: EUPL-1.2
"""Reads an strace of the hub and checks, for every acknowledged message, what was synced between the "354" and the "250".

    sync-trace.py TRACE SMTP_PORT MESSAGES

Needed in this window, from any thread: fsync/fdatasync of a file under a folder named `blobs`, of a folder there, and of
the database's write-ahead log (`…-wal`) or the database file itself. TLS replies cannot be read; send in the clear.
"""

import re
import sys

SYNC = re.compile(r"\b(?:fsync|fdatasync)\((\d+)<([^>]*)>")
SYNC_END = re.compile(r"<\.\.\. (?:fsync|fdatasync) resumed>.*= 0")
OPEN = re.compile(r'openat\([^)]*?"([^"]+)",')


def kind(path):
    if path.endswith("-wal") or path.endswith((".db", ".sqlite", ".sqlite3")):
        return "wal"
    if re.search(r"/blobs?(/|$)", path):
        return "folder" if path in FOLDERS else "blob"
    return None


FOLDERS = set()


def main():
    trace, port, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    lines = open(trace, encoding="utf-8", errors="replace").read().split("\n")
    for line in lines:
        opened = OPEN.search(line)
        if opened:
            FOLDERS.add(opened[1].rsplit("/", 1)[0])
    window, pending, acknowledged, wrong = None, {}, 0, []
    reply = re.compile(r"(?:write|writev|sendto|sendmsg)\(\d+<TCP:\[[^\]]*:" + port + r"[^\]]*\]>.*?\"(\d{3})[ -]")
    for line in lines:
        thread = line.split(" ", 1)[0]
        synced = SYNC.search(line)
        done = None
        if synced:
            if "unfinished" in line:
                pending[thread] = synced[2]
            elif line.rstrip().endswith("= 0"):
                done = synced[2]
        elif SYNC_END.search(line) and thread in pending:
            done = pending.pop(thread)
        if done and window is not None and kind(done):
            window.add(kind(done))
        answer = reply.search(line)
        if not answer:
            continue
        if answer[1] == "354":
            window = set()
        elif answer[1] == "250" and window is not None:
            acknowledged += 1
            missing = {"blob", "folder", "wal"} - window
            if missing:
                wrong.append(f"message {acknowledged}: 250 before a sync of {', '.join(sorted(missing))}")
            window = None
    for line in wrong:
        print(line)
    print(f"{acknowledged} acknowledged messages, {len(wrong)} without a full sync")
    return 0 if acknowledged >= wanted and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
