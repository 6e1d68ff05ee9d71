#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# Two nodes on one database; the clock of one is an hour fast, then an hour slow. Nothing stops: mail goes on through
# both, each sees the other's sessions, chains fit, and the wrong node alone says so.
# shellcheck source=scripts/faults/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
house
node eins
right=$WEB right_smtp=$SMTP right_node=$NODE
sign_in
for skew in 3600 -3600; do
    name=clock$skew
    node "$name" --clock-skew "$skew"
    wrong=$WEB wrong_node=$NODE
    WEB=$right,$wrong SMTP=$right_smtp,$SMTP traffic_start
    WEB=$wrong
    if wait_for 20 says "Uhr dieses Knotens weicht um 3(600|599|601) Sekunden.*Betrieb"; then
        pass "$name-sentence: $(cat "$RUN/lage")"
    else
        fail "$name-sentence" "$(cat "$RUN/lage")"
    fi
    # A node with a wrong clock is better than none: it takes work, and says what is wrong.
    if ready && [[ $(json "$RUN/ready.json" 'next(c["code"] for c in j["components"] if not c["ok"])') == PST-HUB-0006 ]]; then
        pass "$name-told-and-ready"
    else
        fail "$name-told-and-ready" "$(cat "$RUN/ready.json")"
    fi
    check "$name-foreign-session" curl -sS -f -o /dev/null -b "$RUN/jar" "$wrong/betrieb"
    sign_in
    WEB=$right
    check "$name-session-from-there" page
    check "$name-neighbour-well" wait_for 10 says 'Alles in Ordnung'
    traffic_stop
    end_process "$wrong_node"
done
node zwei
check clock-right-again wait_for 20 says 'Alles in Ordnung'
if alive "$right_node"; then pass clock-neighbour-ran-on; else fail clock-neighbour-ran-on; fi
expect_kept clock
finish
