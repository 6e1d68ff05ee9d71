#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# Schemathesis reads our description of the API and asks whatever it permits and forbids: no error of the server, no
# answer that is not described, none that differs from its description, nothing without a token.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
st=$ROOT/target/tools/venv/bin/schemathesis
[[ -x $st ]] || skip --oracle "schemathesis is not installed (scripts/tools)"
have swaks || skip --oracle "swaks is not installed"

hub_start hub --quiet
web=$(demo 'j["web"]')
token=$(demo 'j["api"]["token"]')
# A session of somebody, as header.
session() {
    local login password
    login=$(demo "next(l['login'] for l in j['logins'] if l['who'] == '$1')")
    password=$(demo "next(l['password'] for l in j['logins'] if l['who'] == '$1')")
    curl -fsS -o /dev/null -c "$RUN/$1" --data-urlencode "login=$login" --data-urlencode "password=$password" "$web/anmelden"
    awk '$6 == "poststelle" { print "Cookie: poststelle=" $7 }' "$RUN/$1"
}
clerk=$(session clerk)
operator=$(session operator)
head -c 5000 /dev/urandom >"$RUN/a.bin"
for n in 1 2 3; do
    make_mail "$RUN/$n.eml" ab@aussen.example "$(demo 'j["recipient"]')" "Bauantrag $n" "$RUN/a.bin=a.bin"
    swaks --server "$(demo 'j["smtp"]')" --from ab@aussen.example --to "$(demo 'j["recipient"]')" --timeout 30 \
        --data "@$RUN/$n.eml" >/dev/null || die "the mail was not accepted"
done
list() { curl -fsS -H "$clerk" "$web/api/v1/messages" >"$RUN/list.json"; }
processed() { list && [[ $(json "$RUN/list.json" 'sum(m["processed"] for m in j["messages"])') -ge 3 ]]; }
wait_for 30 processed || die "the messages were not processed"
tenant=$(json "$RUN/list.json" 'j["messages"][0]["tenant"]')
curl -fsS -H "$clerk" "$web/api/v1/messages/$tenant/$(json "$RUN/list.json" 'j["messages"][0]["id"]')" >"$RUN/one.json"
IDS=$(python3 - "$RUN" "$tenant" "$(demo 'j["api"]["tenant"]')" <<'PY'
import json, sys
run, tenant, other = sys.argv[1:]
ids = [m["id"] for m in json.load(open(f"{run}/list.json"))["messages"]]
one = json.load(open(f"{run}/one.json"))
print(json.dumps({"tenant": [tenant, tenant, other], "id": ids[:3], "delivery": [d["id"] for d in one["deliveries"]],
                  "n": [p["n"] for p in one["parts"]], "path": ["entries/000.p/1", "0/000.p/1"]}))
PY
)
export IDS SCHEMATHESIS_HOOKS=openapi-hooks
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,negative_data_rejection

# asked WHO HEADER [CHECK]
asked() {
    local log=$ARTIFACTS/70-openapi-$1.log
    if PYTHONPATH=$ROOT/scripts/peers PYTHONDONTWRITEBYTECODE=1 "$st" run "$web/api/v1/openapi.json" \
        --header "$2" --checks "$checks${3:-}" --max-examples "${EXAMPLES:-40}" --generation-deterministic --no-shrink \
        --no-color --warnings off >"$log" 2>&1; then
        pass "openapi-$1: $(grep generated "$log" | xargs)"
    else
        fail "openapi-$1" "$(grep -E '^- |^\[|curl|error' "$log" | head -n 8 | tr '\n' ' ')"
    fi
}
cd "$RUN"
asked service "Authorization: Bearer $token" ,ignored_auth
asked clerk "$clerk"
asked operator "$operator"
# What it handed in is mail like any other: everything adds up.
adds_up() {
    curl -fsS -H "$operator" "$web/api/v1/balance" >"$RUN/balance.json" &&
        [[ $(json "$RUN/balance.json" 'int(j["ok"]) - sum(l["open"] for l in j["lines"])') == 1 ]]
}
if wait_for 60 adds_up; then pass balance; else fail balance "$(head -c 300 "$RUN/balance.json")"; fi
check same-process alive "$(cat "$HUB/pid")"
finish
