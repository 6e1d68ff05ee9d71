#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# PostgreSQL is stopped at once, as by a power cut, and started again.
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
server postgres
export POSTSTELLE_DATABASE_URL=$POSTSTELLE_TEST_POSTGRES
house
POSTSTELLE_DATABASE_OWNER_URL=$POSTSTELLE_TEST_POSTGRES POSTSTELLE_DATABASE_APP_ROLE=$POSTSTELLE_TEST_POSTGRES_APP_ROLE \
    "$BIN" migrate --config "$CONFIG" >/dev/null
export POSTSTELLE_DATABASE_URL=$POSTSTELLE_TEST_POSTGRES_APP
node eins
sign_in
traffic_start

since=$EPOCHREALTIME
"$ROOT/scripts/servers/postgres" stop "$RUN/postgres"
expect_refused database-gone "$since" 451 '503 PST-STORE-0001'
expect_trouble database-gone PST-STORE-0001 'Datenbank antwortet nicht.*Betrieb'
# What needs no database still answers.
for path in hilfe health/live metrics anmelden; do check "database-gone-$path" curl -sS -f -m 5 -o /dev/null "$WEB/$path"; done
"$ROOT/scripts/servers/postgres" start "$RUN/postgres" >/dev/null
expect_recovery database-gone

traffic_stop
# A commit whose answer was lost may have happened: then the sender hears "later" and its mail is there all the same.
expect_kept database-gone 3
finish
