#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# A foreign reader of OTLP takes our traces: the id of a message is the id of its trace, in which accept, process and
# deliver meet, over a restart too; nothing personal is in it; and a collector that is gone stops nothing.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
python=$ROOT/target/tools/venv/bin/python
"$python" -c 'import opentelemetry.proto.collector.trace.v1.trace_service_pb2' 2>/dev/null ||
    skip --oracle "opentelemetry-proto is not installed (scripts/tools)"
have swaks || skip --oracle "swaks is not installed"
spans=$RUN/spans.jsonl
COLLECTORS=()
end_collectors() {
    local pid
    for pid in "${COLLECTORS[@]}"; do end_process "$pid" 2; done
    cp "$spans" "$ARTIFACTS/" 2>/dev/null || true
    cleanup
}
trap end_collectors EXIT

# collector NAME MODE…: starts one; sets ENDPOINT.
collector() {
    local name=$1 mode=$2
    shift 2
    "$python" "$ROOT/scripts/peers/otlp-receiver.py" "$mode" "$RUN/$name.port" "$@" </dev/null >"$ARTIFACTS/$name.log" 2>&1 &
    COLLECTORS+=("$!")
    wait_for 10 test -s "$RUN/$name.port" || die "the collector $name did not start"
    ENDPOINT=http://127.0.0.1:$(cat "$RUN/$name.port")
}
judge() { "$python" "$ROOT/scripts/peers/traces.py" "$spans" "$@"; }
at_least() { (($(judge count "$2" "$3") >= $1)); }
# hand_in SMTP TO FILE: prints the id of the message that 250 named.
hand_in() {
    swaks --server "$1" --from "$from" --to "$2" --timeout 60 --data "@$3" 2>&1 |
        sed -nE 's/^<[~*-]+ +250 2\.0\.0 Accepted as ([0-9a-f-]{36}).*/\1/p'
}
stop_hub() { "$ROOT/scripts/hub" stop "$HUB"; }

from=erika.musterfrau@aussen.example
: >"$spans"
collector traces serve "$spans"
read -r nobody < <(free_ports 1)

# A node that only accepts, then its end; another one does the rest.
hub_start hub --quiet --ingress-only --otlp-endpoint "$ENDPOINT"
to=$(demo 'j["recipient"]')
hot=$(demo 'j["hotfolder"]')
head -c 20000 /dev/urandom >"$RUN/a.bin"
make_mail "$RUN/a.eml" "$from" "$to" "Bauantrag Musterfrau" "$RUN/a.bin=Lageplan.pdf"
message=$(hand_in "$(demo 'j["smtp"]')" "$to" "$RUN/a.eml")
[[ -n $message ]] || die "the mail was not accepted"
stop_hub
if at_least 1 "$message" accept; then pass flushed-at-the-end; else fail flushed-at-the-end "no span arrived before the process ended"; fi
hub_start hub --quiet --otlp-endpoint "$ENDPOINT" --smarthost "127.0.0.1:$nobody"
expect_file handed-over "$hot" "$RUN/a.bin"
tenant=$(grep -rhoE '"tenant": *"[0-9a-f-]{36}"' "$hot" | head -n 1 | grep -oE '[0-9a-f-]{36}' || true)

# Two attempts at a target that is not there.
make_mail "$RUN/b.eml" "$from" "$(demo 'j["forward"]')" "bitte weiterleiten" "$RUN/a.bin=a.bin"
forwarded=$(hand_in "$(demo 'j["smtp"]')" "$(demo 'j["forward"]')" "$RUN/b.eml")
check two-attempts-seen wait_for 30 at_least 2 "$forwarded" deliver

# A client with a trace of its own hands one in.
trace=4bf92f3577b34da6a3ce929d0e0e4736
parent=00f067aa0ba902b7
answer=$(curl -sS -X POST -H "Authorization: Bearer $(demo 'j["api"]["token"]')" -H 'Content-Type: message/rfc822' \
    -H "traceparent: 00-$trace-$parent-01" --data-binary "@$RUN/a.eml" "$(demo 'j["web"]')/api/v1/messages")
handed=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["message"])' "$answer")
curl -sS -o /dev/null -H 'traceparent: 00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00' "$(demo 'j["web"]')/health/live"
wait_for 10 at_least 1 "$trace" "POST /api/v1/messages" || true
stop_hub

check one-trace-per-message judge way "$message" "$tenant"
check every-attempt-is-a-span judge attempts "$forwarded"
check clients-trace-goes-on judge request "$trace" "$parent" "$handed"
check sequence-is-a-span judge sequence
if [[ $(judge count 5bf92f3577b34da6a3ce929d0e0e4736 "GET /health/live") == 0 ]]; then
    pass unwanted-trace-stays
else
    fail unwanted-trace-stays "the client's flags said no"
fi
check nothing-personal judge clean "@" musterfrau aussen.example waren-mueritz Bauantrag weiterleiten Lageplan a.bin \
    "${to%@*}" 127.0.0.1 Poststelle.pdf swaks

# A collector that is not there, and one that never answers: mail flows, the log stays quiet, the end comes soon.
dead() {
    local name=$1 endpoint=$2 began complaints
    hub_start "$name" --quiet --otlp-endpoint "$endpoint"
    to=$(demo 'j["recipient"]')
    head -c 3000 /dev/urandom >"$RUN/$name.bin"
    make_mail "$RUN/$name.eml" "$from" "$to" "$name" "$RUN/$name.bin=x.bin"
    for ((i = 0; i < 20; i++)); do
        [[ -n $(hand_in "$(demo 'j["smtp"]')" "$to" "$RUN/$name.eml") ]] || { fail "$name-flows" "mail $i not accepted"; return; }
    done
    expect_file "$name-flows" "$(demo 'j["hotfolder"]')" "$RUN/$name.bin"
    wait_for 15 grep -q "does not take traces" "$HUB/log" || true
    began=$SECONDS
    stop_hub
    if ((SECONDS - began <= 8)); then pass "$name-ends-soon"; else fail "$name-ends-soon" "$((SECONDS - began)) s"; fi
    complaints=$(grep -c "does not take traces" "$HUB/log" || true)
    if ((complaints == 1)); then pass "$name-complains-once"; else fail "$name-complains-once" "$complaints lines"; fi
}
dead collector-gone "http://127.0.0.1:$nobody"
collector silent silent
dead collector-silent "$ENDPOINT"
finish
