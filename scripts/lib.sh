# SPDX-License-Identifier: EUPL-1.2
# shellcheck shell=bash
# What the scripts share. Source it; it sets ROOT and changes nothing else.

# shellcheck disable=SC2034
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Exit code of a step or script that could not do its work here and says so (as automake does).
# shellcheck disable=SC2034
SKIP=77

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# skip REASON…: one counted line, then leave. Where every oracle is required, a missing one is an error.
skip() {
    if [[ ${POSTSTELLE_REQUIRE_ORACLES:-} == 1 && ${1:-} == --oracle ]]; then
        die "${*:2} (required: POSTSTELLE_REQUIRE_ORACLES=1)"
    fi
    [[ ${1:-} != --oracle ]] || shift
    printf 'SKIPPED: %s\n' "$*"
    exit "$SKIP"
}

have() { command -v "$1" >/dev/null 2>&1 || [[ -x /usr/sbin/$1 ]]; }

# free_ports N: N different TCP ports of 127.0.0.1 that are free now.
free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
}

# wait_for SECONDS COMMAND…: until the command succeeds; polls, so it costs no more than it must.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# end_process PID [SECONDS]: TERM, then KILL; returns when it is gone. Only ever for a process the caller started.
end_process() {
    [[ $1 =~ ^[0-9]+$ ]] && alive "$1" || return 0
    kill -TERM "$1" 2>/dev/null || true
    wait_for "${2:-10}" gone "$1" || kill -KILL "$1" 2>/dev/null || true
    wait_for 5 gone "$1" || true
}

# json FILE EXPRESSION: prints the value; EXPRESSION is Python over `j`. Empty and status 1 when it is not there.
json() {
    python3 - "$1" "$2" <<'PY'
import json, sys
j = json.load(open(sys.argv[1], encoding="utf-8"))
try:
    value = eval(sys.argv[2], {"j": j})
except (KeyError, IndexError, TypeError, StopIteration):
    sys.exit(1)
if value is None:
    sys.exit(1)
print(json.dumps(value) if isinstance(value, (dict, list, bool)) else value)
PY
}
