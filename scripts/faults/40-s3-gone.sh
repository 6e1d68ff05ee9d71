#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# The S3 server (SeaweedFS) is killed and started again.
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
server s3
house
export POSTSTELLE_BLOBS_S3_ENDPOINT=$POSTSTELLE_TEST_S3 POSTSTELLE_BLOBS_S3_BUCKET=$POSTSTELLE_TEST_S3_BUCKET \
    POSTSTELLE_BLOBS_S3_REGION=$POSTSTELLE_TEST_S3_REGION POSTSTELLE_BLOBS_S3_ACCESS_KEY=$POSTSTELLE_TEST_S3_ACCESS_KEY \
    POSTSTELLE_BLOBS_S3_SECRET_KEY=$POSTSTELLE_TEST_S3_SECRET_KEY
node eins
sign_in
traffic_start

since=$EPOCHREALTIME
"$ROOT/scripts/servers/s3" stop "$RUN/s3"
expect_refused s3-gone "$since" 451 '503 PST-STORE-0002'
expect_trouble s3-gone PST-STORE-0002 'Speicher für Nachrichteninhalte antwortet nicht.*Betrieb'
# Lists and timelines come from the database.
check s3-gone-lists "$BIN" message list waren-mueritz --config "$CONFIG"
check s3-gone-page curl -sS -f -m 10 -o /dev/null -b "$RUN/jar" "$WEB/betrieb"
"$ROOT/scripts/servers/s3" start "$RUN/s3" >/dev/null
expect_recovery s3-gone

traffic_stop
expect_kept s3-gone
finish
