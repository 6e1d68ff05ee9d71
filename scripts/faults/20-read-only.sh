#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# The disk of the contents becomes read-only (remount), the files of the database refuse writes, and at last the file
# system of the database shuts itself down after an error, as ext4 does (errors=remount-ro). Linux lets nobody write
# there again before it was unmounted and checked: the only fault here that needs a restart.
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
small_disk "$RUN/inhalte" 256
loop_disk "$RUN/datenbank" 192
export POSTSTELLE_BLOBS_PATH=$RUN/inhalte/blobs
export POSTSTELLE_DATABASE_URL=sqlite://$RUN/datenbank/poststelle.db
house
node eins
sign_in
traffic_start

since=$EPOCHREALTIME
# While a file is open for writing the kernel refuses.
wait_for 20 mount -o remount,ro "$RUN/inhalte" || die "remount,ro: the disk stays busy"
expect_refused blobs-read-only "$since" 451 '503 PST-STORE-0015'
expect_trouble blobs-read-only PST-STORE-0015 'Speicher für Nachrichteninhalte ist nur lesbar.*Betrieb'
expect_reading blobs-read-only
mount -o remount,rw "$RUN/inhalte"
expect_recovery blobs-read-only

since=$EPOCHREALTIME
chattr +i "$RUN"/datenbank/poststelle.db{,-wal}
expect_refused database-read-only "$since" 451 '503 PST-STORE-0014'
expect_trouble database-read-only PST-STORE-0014 'Datenbank kann nicht schreiben.*Betrieb'
expect_reading database-read-only
chattr -i "$RUN"/datenbank/poststelle.db{,-wal}
expect_recovery database-read-only

loop=$(basename "$(findmnt -n -o SOURCE "$RUN/datenbank")")
if [[ -w /sys/fs/ext4/$loop/trigger_fs_error ]]; then
    since=$EPOCHREALTIME
    echo 1 >"/sys/fs/ext4/$loop/trigger_fs_error"
    expect_refused file-system-down "$since" 451 '503 PST-STORE-0014'
    expect_trouble file-system-down PST-STORE-0014 'Datenbank kann nicht schreiben.*Betrieb'
    traffic_stop
    end_process "$NODE"
    umount "$RUN/datenbank"
    # 1: errors were corrected.
    e2fsck -p "$RUN/datenbank.img" >"$RUN/fsck.log" 2>&1 || (($? == 1)) || die "e2fsck: $(cat "$RUN/fsck.log")"
    mount -o loop,errors=remount-ro "$RUN/datenbank.img" "$RUN/datenbank"
    node zwei
    traffic_start
    expect_recovery file-system-down
else
    say "SKIPPED: this kernel offers no way to shut a file system down"
fi
traffic_stop
expect_kept read-only
finish
