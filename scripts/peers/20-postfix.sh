#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# A real Postfix relays to us and receives from us; a notice of non-delivery it sends comes home to its message.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have swaks || skip --oracle "swaks is not installed"
from=absender@aussen.example

# The two need each other's port: the hub starts first, on a smarthost port held for Postfix.
read -r port < <(free_ports 1)
if "${POSTSTELLE_BIN:-$ROOT/target/release/poststelle}" demo --help 2>/dev/null | grep -q -e --smarthost; then
    hub_start hub --smarthost "127.0.0.1:$port"
    outward=1
else
    hub_start hub
    outward=0
fi
smtp=$(demo 'j["smtp"]')
to=$(demo 'j["recipient"]')
hot=$(demo 'j["hotfolder"]')
POSTFIX_PORT=$port
postfix_start "relayhost = [127.0.0.1]:${smtp##*:}"
through() { swaks --server "127.0.0.1:$POSTFIX_PORT" --from "$from" --timeout 60 "$@"; }

head -c 3000000 /dev/urandom >"$RUN/in.bin"
make_mail "$RUN/in.eml" "$from" "$to" "über Postfix" "$RUN/in.bin=Anlage – groß.zip"
check postfix-takes-it through --to "$to" --data "@$RUN/in.eml"
expect_file postfix-to-us-identical "$hot" "$RUN/in.bin" 60

# Postfix uses PIPELINING, 8BITMIME and one connection for several messages.
printf 'Guten Tag,\n\nGr\xc3\xbc\xc3\x9fe\n' >"$RUN/eight.txt"
printf 'From: %s\r\nTo: %s\r\nSubject: 8 Bit\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe aus G\xc3\xbcstrow\r\n' "$from" "$to" >"$RUN/eight.eml"
check postfix-8bit through --to "$to" --data "@$RUN/eight.eml"
if wait_for 30 grep -rqa 'Grüße aus Güstrow' "$hot"; then pass postfix-8bit-arrived; else fail postfix-8bit-arrived "not in the hot folder"; fi

# An unknown recipient of ours bounces at Postfix, to the sender's mailbox there.
check postfix-takes-unknown through --to "niemand@${to#*@}" --data "@$RUN/eight.eml"
bounced() { grep -rqaE '^Status: 5\.' "$POSTFIX/mail/absender"; }
if wait_for 30 bounced; then pass our-550-becomes-a-bounce; else fail our-550-becomes-a-bounce "no bounce in the sender's mailbox"; fi

if ((outward)) && forward=$(demo 'j["forward"]'); then
    head -c 400000 /dev/urandom >"$RUN/out.bin"
    make_mail "$RUN/out.eml" "$from" "$forward" "bitte weiterleiten" "$RUN/out.bin=Bescheid Ämter.pdf"
    check forward-accepted swaks --server "$smtp" --from "$from" --to "$forward" --data "@$RUN/out.eml"
    delivered() {
        python3 - "$POSTFIX/mail/empfang/new" "$RUN/out.bin" <<'PY'
import email, email.policy, pathlib, sys
want = open(sys.argv[2], "rb").read()
for file in pathlib.Path(sys.argv[1]).glob("*"):
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    for part in mail.walk():
        if not part.is_multipart() and part.get_payload(decode=True) == want:
            sys.exit(0)
sys.exit(1)
PY
    }
    if wait_for 60 delivered; then pass us-to-postfix-identical; else fail us-to-postfix-identical "not in the mailbox"; fi
else
    say "SKIPPED: us to Postfix: the demo has no --smarthost or no forwarding address"
fi
finish
