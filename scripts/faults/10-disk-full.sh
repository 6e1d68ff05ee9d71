#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# The disk of the contents is full, then the disk of the database (SQLite).
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
small_disk "$RUN/inhalte" 48
small_disk "$RUN/datenbank" 48
export POSTSTELLE_BLOBS_PATH=$RUN/inhalte/blobs
export POSTSTELLE_DATABASE_URL=sqlite://$RUN/datenbank/poststelle.db
house
node eins
sign_in
traffic_start

since=$EPOCHREALTIME
fill "$RUN/inhalte"
expect_refused blobs-full "$since" 452 '503 PST-STORE-0003'
expect_trouble blobs-full PST-STORE-0003 'Speicher für Nachrichteninhalte ist voll.*Betrieb'
expect_reading blobs-full
drain "$RUN/inhalte"
expect_recovery blobs-full

since=$EPOCHREALTIME
fill "$RUN/datenbank"
expect_refused database-full "$since" 452 '503 PST-STORE-0013'
expect_trouble database-full PST-STORE-0013 'Datenbank.*voll.*Betrieb'
expect_reading database-full
drain "$RUN/datenbank"
expect_recovery database-full

traffic_stop
expect_kept disk-full
finish
