#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# What a real Postfix reports about mail of ours comes home: delivered, failed, delayed, each folded into its delivery with
# the message that carried it. Reports that only pretend to belong to one of ours change nothing.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have swaks || skip --oracle "swaks is not installed"
from=absender@aussen.example

read -r port < <(free_ports 1)
hub_start hub --quiet --smarthost "127.0.0.1:$port"
smtp=$(demo 'j["smtp"]')
web=$(demo 'j["web"]')
to=$(demo '"poststelle@" + j["recipient"].split("@")[1]')
# Postfix takes mail for everybody of the second domain and finds out later that there is nobody; nothing listens for
# the third one, which it says after a second.
POSTFIX_PORT=$port
postfix_start "relayhost = [127.0.0.1]:${smtp##*:}" \
    "virtual_mailbox_domains = aussen.example, kataster.example, zweckverband.example" \
    "virtual_mailbox_maps = inline:{ absender@aussen.example=absender/, zustellbar@kataster.example=zustellbar/ }" \
    "smtpd_reject_unlisted_recipient = no" \
    "transport_maps = inline:{ landesamt.example=smtp:[127.0.0.1]:1 }" \
    "delay_warning_time = 1s"

# A clerk signs in and reads by the API.
clerk() { demo "next(l['$1'] for l in j['logins'] if l['who'] == 'clerk')"; }
curl -sf -c "$RUN/cookies" -o "$RUN/signed-in" --data-urlencode "login=$(clerk login)" \
    --data-urlencode "password=$(clerk password)" "$web/anmelden" || die "the clerk cannot sign in"
api() { curl -sf -b "$RUN/cookies" "$web/api/v1/$1"; }
# message WORD PYTHON: whether it holds for the message with that word in its subject. It sees `m`, the whole message;
# `d`, its delivery by mail; `dsn`, the reports folded into it; `said`, its timeline by code.
message() {
    local path
    api "messages?limit=200" >"$RUN/list.json" || return 1
    path=$(json "$RUN/list.json" \
        "next(m['tenant'] + '/' + m['id'] for m in j['messages'] if '$1' in m['subject'] and m['envelope_sender'])") || return 1
    api "messages/$path" >"$RUN/$1.json" || return 1
    python3 - "$RUN/$1.json" "$2" <<'PY'
import json, sys
m = json.load(open(sys.argv[1], encoding="utf-8"))
d = next((d for d in m["deliveries"] if d["target"].startswith("mail:")), {})
dsn = [r for r in m["receipts"] if r["kind"] == "dsn"]
said = {e["code"]: e["text"] for e in m["timeline"] if e["code"]}
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
}
# holds NAME WORD PYTHON [SECONDS]
holds() {
    if wait_for "${4:-30}" message "$2" "$3"; then pass "$1"; else
        cp "$RUN/$2.json" "$ARTIFACTS/dsn-$1.json" 2>/dev/null || true
        fail "$1" "not so: $3"
    fi
}
# carrier NAME WORD: the message that carried the report is kept as mail of the tenant, octets and all.
carrier() {
    local path
    path=$(json "$RUN/$2.json" "j['tenant']['id'] + '/' + next(r['carried_by'] for r in j['receipts'] if r['kind'] == 'dsn')") ||
        { fail "$1" "no carrier"; return; }
    if api "messages/$path" | grep -q "\"receipt:$(json "$RUN/$2.json" "next(r['delivery'] for r in j['receipts'] if r['kind'] == 'dsn')")\"" &&
        api "messages/$path/original" | grep -qi '^Content-Type: multipart/report'; then pass "$1"; else fail "$1" "$path"; fi
}
# Rules of the demo send these subjects on, each to another domain.
forward() {
    make_mail "$RUN/$1.eml" "$from" "$to" "$1"
    check "$1-accepted" swaks --server "$smtp" --from "$from" --to "$to" --data "@$RUN/$1.eml"
}

forward Katasterauszug
forward Wasseranschluss
forward Fischereischein

mail_of='d["target"] == "mail:%s" and d["state"] == "%s"'
# shellcheck disable=SC2059
is() { printf "$mail_of" "$1" "$2"; }
holds delivered Katasterauszug "$(is zustellbar@kataster.example confirmed)"
holds delivered-receipt-names-our-ids Katasterauszug \
    'len(dsn) == 1 and "Original-Envelope-Id: " + d["id"] in dsn[0]["body"] and "Original-Recipient: rfc822;zustellbar@kataster.example" in dsn[0]["body"]'
holds delivered-in-the-timeline Katasterauszug '"zustellbar@kataster.example" in said["PST-MAIL-2001"] and "2.0.0" in said["PST-MAIL-2001"]'
carrier delivered-report-kept Katasterauszug

holds failed Wasseranschluss "$(is unbekannt@zweckverband.example rejected)"
holds failed-in-the-timeline Wasseranschluss '"unbekannt@zweckverband.example" in said["PST-MAIL-5001"] and "5.1.1" in said["PST-MAIL-5001"]'
holds failed-on-the-clearing-desk Wasseranschluss 'any(d["target"].startswith("desk:") and d["reason"] for d in m["deliveries"])'
holds failed-sender-told Wasseranschluss 'any(e["event"] == "SenderNotified" and "absender@aussen.example" in e["text"] for e in m["timeline"])'
carrier failed-report-kept Wasseranschluss
told() { grep -rqaE '^Action: failed' "$POSTFIX/mail/absender" && grep -rqa 'unbekannt' "$POSTFIX/mail/absender"; }
if wait_for 30 told; then pass failed-notice-arrived; else fail failed-notice-arrived "not in the sender's mailbox"; fi

holds delayed-still-with-them Fischereischein "$(is verzoegert@landesamt.example accepted) and dsn"
holds delayed-in-the-timeline Fischereischein '"verzoegert@landesamt.example" in said["PST-MAIL-4001"] and "4.4.1" in said["PST-MAIL-4001"]'
holds delayed-said-on-the-delivery Fischereischein 'd["reason"]["code"] == "PST-MAIL-4001"'
carrier delayed-report-kept Fischereischein

# A stranger saw a return address of ours and claims delivery of what is delayed. Its tag holds for one delivery only.
delivery=$(json "$RUN/Fischereischein.json" "next(d['id'] for d in j['deliveries'] if d['target'].startswith('mail:'))")
path=$(grep -rhm1 '^Return-Path: ' "$POSTFIX/mail/zustellbar" | sed -E 's/.*<(.*)>.*/\1/')
if [[ $path == b-*@* ]]; then pass return-path-is-ours; else fail return-path-is-ours "$path"; fi
report() {
    printf '%s\r\n' 'From: MAILER-DAEMON@aussen.example' "To: $1" "Subject: $2" 'MIME-Version: 1.0' \
        'Content-Type: multipart/report; report-type=delivery-status; boundary=g' '' '--g' 'Content-Type: text/plain' '' \
        'Zugestellt.' '--g' 'Content-Type: message/delivery-status' '' "Original-Envelope-Id: $delivery" \
        'Reporting-MTA: dns; mx.aussen.example' '' 'Final-Recipient: rfc822; verzoegert@landesamt.example' \
        'Action: delivered' 'Status: 2.0.0' '' '--g--' >"$RUN/forged.eml"
    swaks --server "$smtp" --from '<>' --to "$1" --data "@$RUN/forged.eml" 2>&1
}
wrong=$(python3 - "$path" <<'PY'
import sys
local, domain = sys.argv[1].split("@")
print(local[:-1] + ("a" if local[-1] != "a" else "b") + "@" + domain)
PY
)
said=$(report "$wrong" Falsch) || true
if grep -qE '^<\*\* 550 5\.1\.1' <<<"$said"; then pass forged-address-refused; else fail forged-address-refused "$wrong"; fi
# To an ordinary address the report is mail like any other, whatever it claims.
report "$to" Vorgetäuscht >"$RUN/forged.log" || fail forged-report-is-mail "$(tail -n 1 "$RUN/forged.log")"
stray() { api "messages?limit=200" | python3 -c 'import json,sys; sys.exit(not any("Vorgetäuscht" in m["subject"] and m["processed"] for m in json.load(sys.stdin)["messages"]))'; }
if wait_for 30 stray; then pass forged-report-is-mail; else fail forged-report-is-mail "not in the list"; fi
# A true address carries a report of its own delivery only, whatever envelope id it names.
report "$path" Untergeschoben >"$RUN/forged.log" || fail forged-envelope-id "$(tail -n 1 "$RUN/forged.log")"
holds forged-envelope-id-folded-by-address Katasterauszug "len(dsn) == 2 and $(is zustellbar@kataster.example confirmed)"
holds forged-reports-change-nothing Fischereischein "$(is verzoegert@landesamt.example accepted) and all('delivered' not in r['body'] for r in dsn)"
finish
