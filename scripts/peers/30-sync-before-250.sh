#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# A kill keeps the page cache, so it proves nothing about power cuts. This watches the system calls instead: between the
# last octet of a message and our "250" for it, the blob, its folder and the database's log must have been synced.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have strace || skip --oracle "strace is not installed"
have swaks || skip --oracle "swaks is not installed"
strace -o /dev/null true 2>/dev/null || skip --oracle "this machine does not allow strace"
trace=$ARTIFACTS/sync.strace
POSTSTELLE_WRAP="strace -f -ttt -yy -s 64 -o $trace -e trace=fsync,fdatasync,sync_file_range,openat,rename,renameat,renameat2,write,writev,sendto,sendmsg,read,recvfrom,io_uring_enter" \
    hub_start hub
smtp=$(demo 'j["smtp"]')
to=$(demo 'j["recipient"]')
for ((i = 0; i < 5; i++)); do
    head -c $((200 + i * 150000)) /dev/urandom >"$RUN/$i.bin"
    make_mail "$RUN/$i.eml" absender@aussen.example "$to" "sync $i" "$RUN/$i.bin=$i.bin"
    swaks --server "$smtp" --from absender@aussen.example --to "$to" --data "@$RUN/$i.eml" >"$RUN/$i.log" 2>&1 ||
        fail "sync-mail-$i" "$(tail -n 1 "$RUN/$i.log")"
done
"$ROOT/scripts/hub" stop "$HUB"
if python3 "$ROOT/scripts/peers/sync-trace.py" "$trace" "${smtp##*:}" 5; then pass sync-before-250; else fail sync-before-250 "see $trace"; fi
finish
