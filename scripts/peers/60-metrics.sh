#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# Prometheus itself judges our numbers: promtool finds nothing to complain about, a Prometheus server scrapes them and
# answers questions, every number is in the handbook, and the handbook's alarms are valid and ask for what there is.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have promtool || skip --oracle "promtool is not installed (Debian: prometheus)"
have swaks || skip --oracle "swaks is not installed"
alarms=$ROOT/docs/src/beispiele/prometheus-alarme.yml
server=
end_server() {
    end_process "$server" 10
    cleanup
}
trap end_server EXIT

hub_start hub --quiet
smtp=$(demo 'j["smtp"]')
web=$(demo 'j["web"]')
to=$(demo 'j["recipient"]')
head -c 5000 /dev/urandom >"$RUN/a.bin"
make_mail "$RUN/a.eml" ab@aussen.example "$to" "Zahlen" "$RUN/a.bin=a.bin"
send() { swaks --server "$smtp" --from ab@aussen.example --to "$1" --timeout 30 --data "@$RUN/a.eml"; }
check accepted send "$to"
expect_file handed-over "$(demo 'j["hotfolder"]')" "$RUN/a.bin"
send "niemand@${to#*@}" >/dev/null 2>&1 || true
# A sender that goes away within DATA, and one that stays connected.
python3 - "$smtp" "$to" <<'PY'
import smtplib, sys
host, port = sys.argv[1].rsplit(":", 1)
smtp = smtplib.SMTP(host, int(port), timeout=30)
smtp.ehlo("aussen.example")
smtp.mail("ab@aussen.example")
smtp.rcpt(sys.argv[2])
smtp.docmd("DATA")
smtp.sock.sendall(b"Subject: halb\r\n\r\nhal")
smtp.sock.close()
PY
exec 3<>"/dev/tcp/${smtp%:*}/${smtp##*:}"
read -r -t 10 -u 3 _
curl -sS -o /dev/null -X ERFUNDEN "$web/anmelden"
curl -sS -o /dev/null "$web/anmelden"
numbers() { curl -fsS "$web/metrics" >"$RUN/numbers"; }
told() { numbers && grep -qxE -- "$1" "$RUN/numbers"; }
for line in 'poststelle_intakes_refused_total\{channel="mail",reason="broken_off"\} 1' \
    'poststelle_smtp_refusals_total\{step="recipient",code="550"\} 1' \
    'poststelle_smtp_sessions_open 1' \
    'poststelle_delivery_attempts_total\{channel="hot_folder",outcome="accepted"\} 1' \
    'poststelle_messages_processed_total [1-9].*' \
    'poststelle_message_processing_seconds_count [1-9].*' \
    'poststelle_delivery_handover_seconds_count [1-9].*' \
    'poststelle_node_jobs_working\{kind="deliver"\} 0' \
    'poststelle_http_request_seconds_count\{method="other",route="/anmelden",status="4xx"\} 1' \
    'poststelle_jobs\{lane="process",state="waiting"\} 0' \
    'poststelle_node_intake_budget_used_bytes 0' \
    'poststelle_log_entries_waiting 0' \
    'poststelle_alarms_open 0' \
    'poststelle_component_up\{component="database"\} 1'; do
    if wait_for 20 told "$line"; then pass "told ${line%% *}"; else fail "told ${line%% *}" "not '$line'"; fi
done
exec 3>&-
cp "$RUN/numbers" "$ARTIFACTS/metrics.txt"
if grep -qE '[0-9a-f]{8}-[0-9a-f]{4}-|@|\.example' "$RUN/numbers"; then
    fail no-ids-as-labels "$(grep -E '[0-9a-f]{8}-[0-9a-f]{4}-|@|\.example' "$RUN/numbers" | head -n 1)"
else
    pass no-ids-as-labels
fi

# promtool reads the older text format, in which a counter's suffix belongs to its name.
awk '/^# EOF|^# UNIT/ { next }
     /^# TYPE .* counter$/ { counter[$3] = 1; $3 = $3 "_total" }
     /^# HELP/ { help[$3] = $0; next }
     /^# TYPE/ { name = $3; sub(/_total$/, "", name); h = help[(name in help) ? name : $3]
                 sub(/^# HELP [^ ]+/, "# HELP " $3, h); print h }
     { print }' "$RUN/numbers" >"$RUN/numbers.prom"
check promtool-finds-nothing promtool check metrics <"$RUN/numbers.prom"
check alarms-are-valid promtool check rules "$alarms"

read -r port < <(free_ports 1)
cat >"$RUN/prometheus.yml" <<YML
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["$alarms"]
scrape_configs:
  - job_name: poststelle
    static_configs: [{ targets: ["${web#http://}"] }]
YML
prometheus --config.file="$RUN/prometheus.yml" --storage.tsdb.path="$RUN/tsdb" --web.listen-address="127.0.0.1:$port" \
    --log.level=warn </dev/null >"$ARTIFACTS/prometheus.log" 2>&1 &
server=$!
# asked QUERY: its values, one a line.
asked() {
    curl -fsS --data-urlencode "query=$1" "http://127.0.0.1:$port/api/v1/query" >"$RUN/answer" || return 1
    json "$RUN/answer" '"\n".join(r["value"][1] for r in j["data"]["result"])'
}
answers() { [[ $(asked "$1") == "$2" ]]; }
ask() { if wait_for 30 answers "$2" "$3"; then pass "$1"; else fail "$1" "$2 = $(asked "$2" | tr '\n' ' ')"; fi; }
ask prometheus-scrapes 'up{job="poststelle"}' 1
ask counts-messages 'sum(poststelle_messages_accepted_total{channel="mail"}) >= bool 1' 1
ask counts-bytes 'sum(poststelle_messages_accepted_bytes_total) > bool 5000' 1
ask all-parts-work 'min(poststelle_component_up)' 1
ask three-lanes 'count(poststelle_jobs_oldest_waiting_seconds)' 3
ask commits-are-quick 'histogram_quantile(0.5, sum by (le) (poststelle_database_commit_seconds_bucket)) < bool 5' 1
ask blobs-are-measured 'count(poststelle_blob_operation_seconds_count{operation="finish"})' 1
ask memory-is-told 'process_resident_memory_bytes > bool 10000000' 1
quiet() {
    curl -fsS "http://127.0.0.1:$port/api/v1/rules" >"$RUN/rules" &&
        [[ $(json "$RUN/rules" '{(r["health"], r["state"]) for g in j["data"]["groups"] for r in g["rules"]} == {("ok", "inactive")}') == true ]]
}
if wait_for 30 quiet; then pass alarms-are-asked-and-quiet; else fail alarms-are-asked-and-quiet "$(head -c 2000 "$RUN/rules")"; fi
curl -fsS "http://127.0.0.1:$port/api/v1/metadata" >"$RUN/metadata"
unknown() {
    python3 - "$RUN/metadata" "$ROOT/docs/src/referenz/metriken.md" "$alarms" <<'PY'
import json, re, sys
told = json.load(open(sys.argv[1]))["data"]
book = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", open(sys.argv[2], encoding="utf-8").read(), re.M))
book = {name.removesuffix("_total"): kind for name, kind in book.items()}
for name, entries in told.items():
    kind = entries[0]["type"]
    assert book.get(name.removesuffix("_total")) == kind, f"{name} ({kind}) is not in the handbook"
asked = set(re.findall(r"\b(?:poststelle|process)_\w+", open(sys.argv[3], encoding="utf-8").read()))
for name in asked:
    plain = re.sub(r"_(total|bucket|count|sum)$", "", name)
    assert plain in book, f"an alarm asks for {name}, which does not exist"
PY
}
check handbook-names-them-all unknown
finish
