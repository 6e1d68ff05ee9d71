#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# A mail server we forward to is dead for hours, and a hot folder is not mounted: only what goes there waits, with
# reason and next attempt; afterwards it is delivered by itself; past its time the sender is told.
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir "$RUN/relay" "$RUN/ziel"
sink relay
RELAY=$SINK house
read -r target < <(free_ports 1)
cat >>"$CONFIG" <<TOML
[mail.routes]
"aussen.example" = "127.0.0.1:$target"
TOML
export POSTSTELLE_LIMITS_EXPIRY_SECONDS=7200
node eins
sign_in
traffic_start
forward=$(json "$SHEET" 'j["forward"]')
slug=waren-mueritz

# letter SUBJECT: a mail to be forwarded
letter() { swaks --server "$SMTP" --from absender@buerger.example --to "$forward" --header "Subject: $1" --header "Message-Id: <$1@buerger.example>" --hide-all; }
message_of() {
    "$BIN" message list "$slug" --limit 100000 --config "$CONFIG" --json >"$RUN/list.json"
    json "$RUN/list.json" "next(m['id'] for m in j if m['subject'] == '$1')"
}
# state SUBJECT: of its delivery by mail
state() {
    "$BIN" message show "$slug" "$(message_of "$1")" --config "$CONFIG" --json >"$RUN/show.json"
    json "$RUN/show.json" 'next(d["state"] for d in j["deliveries"] if d["target"].startswith("mail:"))'
}
is() { [[ $(state "$1") == "$2" ]]; }

letter Brief-eins
if wait_for 20 is Brief-eins deferred && json "$RUN/show.json" 'j["waiting"][0]' >"$RUN/waiting.json"; then
    pass "target-dead-waits: $(json "$RUN/waiting.json" 'j["why"] + " Nächster Versuch: " + j["next"] + ". Zuständig: " + j["who"]')"
else
    fail target-dead-waits "$(cat "$RUN/show.json")"
fi
if wait_for 60 says 'Ziel „E-Mail an aussen.example“'; then
    pass "target-dead-sentence: $(cat "$RUN/lage")"
else
    fail target-dead-sentence "$(cat "$RUN/lage")"
fi
check target-dead-still-ready ready
since=$EPOCHREALTIME
check target-dead-others-go-on wait_for 20 answered "$since" smtp 250 20
sink ziel "$target"
if wait_for 90 is Brief-eins accepted; then pass target-back-delivered; else fail target-back-delivered "$(cat "$RUN/show.json")"; fi
check target-back-page wait_for 20 says 'Alles in Ordnung'
count=$(find "$RUN/ziel" -name '*.eml' | wc -l)
if ((count == 1)); then pass target-back-once; else fail target-back-once "$count mails"; fi

hot=$(json "$SHEET" 'j["hotfolder"]')
mv "$hot" "$hot.fort"
if wait_for 60 says 'Übergabeordner|Übergabeziel'; then
    pass "folder-gone-sentence: $(cat "$RUN/lage")"
else
    fail folder-gone-sentence "$(cat "$RUN/lage")"
fi
since=$EPOCHREALTIME
check folder-gone-others-go-on wait_for 20 answered "$since" smtp 250 20
mv "$hot.fort" "$hot"
check folder-back-page wait_for 60 says 'Alles in Ordnung'
traffic_stop
expect_kept target-dead

# Hours later: the same installation, three hours on.
end_process "$SINK_PID"
letter Brief-zwei
check target-dead-again wait_for 20 is Brief-zwei deferred
end_process "$NODE"
node spaeter --clock-skew 10800
if wait_for 60 is Brief-zwei expired; then pass expired-after-hours; else fail expired-after-hours "$(cat "$RUN/show.json")"; fi
told() { grep -lq 'Brief-zwei@buerger' "$RUN"/relay/*absender@buerger.example*.eml; }
if wait_for 30 told; then
    pass "expired-sender-told: $(grep -hiE '^(Subject|Status|Action):' "$RUN"/relay/*absender@buerger.example*.eml | tr -d '\r' | tr '\n' ' ')"
else
    fail expired-sender-told "$(ls "$RUN/relay")"
fi
check expired-balance "$BIN" balance --config "$CONFIG"
check expired-verify "$BIN" verify --config "$CONFIG"
finish
