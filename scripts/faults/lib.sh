# SPDX-License-Identifier: EUPL-1.2
# shellcheck shell=bash
# For the scripts of this folder: a house on `poststelle serve`, mail coming in all the time, something breaks.
# Source it first; at the end say `finish`. Each script ends what it started and unmounts what it mounted.
#
# What each fault is held to: intake answers for now (SMTP 4xx, REST 503 as problem) and keeps nothing it refused; what
# was acknowledged is there once; the house recovers by itself, same process; /health/ready and the operator's page say
# what is wrong and who must act, and stop saying it afterwards; what does not need the broken thing goes on.

: "${ARTIFACTS:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/test-artifacts/faults}"
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../peers/lib.sh"
export LC_NUMERIC=C # for $EPOCHREALTIME
BIN=${POSTSTELLE_BIN:-$ROOT/target/release/poststelle}
TRAFFIC=$ROOT/scripts/faults/traffic.py
SHEET=$RUN/sheet.json
CONFIG=$RUN/poststelle.toml
LEDGER=$RUN/ledger.jsonl
PIDS=()
MOUNTS=()
SERVERS=()

# shellcheck disable=SC2317 # called by the trap
leave() {
    local one
    for one in "${PIDS[@]}"; do end_process "$one" 20; done
    for one in "${SERVERS[@]}"; do "$ROOT/scripts/servers/${one%% *}" stop "${one#* }" || true; done
    cp "$LEDGER" "$ARTIFACTS/$(basename "$0" .sh).jsonl" 2>/dev/null || true
    for one in "$RUN"/*.log; do
        [[ ! -f $one ]] || cp "$one" "$ARTIFACTS/$(basename "$0" .sh)-$(basename "$one")"
    done
    for one in "${MOUNTS[@]}"; do umount "$one" || true; done
    cleanup
}
trap leave EXIT

# small_disk DIR MIB: a file system of its own at DIR, in memory. loop_disk DIR MIB: one with a journal, in a file.
small_disk() {
    may_mount
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2m,mode=755" tmpfs "$1" || die "no tmpfs at $1"
    MOUNTS+=("$1")
}
loop_disk() {
    may_mount
    have mkfs.ext4 || skip --oracle "mkfs.ext4 (e2fsprogs) is not installed"
    mkdir -p "$1"
    truncate -s "$2M" "$1.img"
    mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$1.img"
    mount -o loop,errors=remount-ro "$1.img" "$1" 2>/dev/null || skip --oracle "no loop devices here"
    MOUNTS+=("$1")
}
may_mount() {
    [[ $EUID -eq 0 ]] || skip "a disk of its own needs root"
    unshare -m true 2>/dev/null || skip --oracle "mounting is not permitted here"
}

# fill DIR: not an octet is free there. drain DIR: room again.
fill() { dd if=/dev/zero of="$1/voll" bs=64k >/dev/null 2>&1 || true; }
drain() { rm -f "$1/voll"; }

# house: founds an installation with the places of the demo and writes its configuration. Environment variables
# (POSTSTELLE_DATABASE_URL, POSTSTELLE_BLOBS_PATH …) place its parts elsewhere.
house() {
    # Without its worker: the demo's own control message would lie in the demo's own place.
    hub_start house --quiet --ingress-only ${POSTSTELLE_DATABASE_URL:+--database "$POSTSTELLE_DATABASE_URL"}
    cp "$DEMO" "$SHEET"
    "$ROOT/scripts/hub" stop "$HUB"
    cat >"$CONFIG" <<TOML
node = "knoten"
domain = "poststelle.example"
data = "$HUB/data"
[web]
listen = "127.0.0.1:0"
secure_cookies = false
[smtp]
listen = "127.0.0.1:0"
[mail]
relay = "${RELAY:-}"
relay_tls = "none"
[limits]
lease_ms = 5000
backoff_first_ms = 500
backoff_max_ms = 2000
[timers]
probe_ms = 500
sequence_ms = 500
canary_seconds = 0
TOML
}

# node NAME [ARGUMENT…]: `poststelle serve`; sets NODE (process), WEB and SMTP.
node() {
    local name=$1
    shift
    setsid "$BIN" serve --config "$CONFIG" "$@" </dev/null >"$RUN/$name.out" 2>"$RUN/$name.log" &
    NODE=$!
    PIDS+=("$NODE")
    wait_for 30 grep -q '^smtp: ' "$RUN/$name.out" || { tail -n 20 "$RUN/$name.log" >&2; die "the node did not start"; }
    WEB=$(sed -n 's/^poststelle: //p' "$RUN/$name.out")
    SMTP=$(sed -n 's/^smtp: //p' "$RUN/$name.out")
}

# server postgres|s3: one of our own in $RUN; its variables are set.
server() {
    mkdir -p "$RUN/$1"
    chmod 755 "$RUN" "$RUN/$1"
    SERVERS+=("$1 $RUN/$1")
    "$ROOT/scripts/servers/$1" start "$RUN/$1" || exit $?
    # shellcheck disable=SC1090,SC1091
    source "$RUN/$1/env"
}

# sink NAME [PORT]: a mail server that keeps what it gets in $RUN/NAME; sets SINK and SINK_PID
sink() {
    python3 "$TRAFFIC" sink "$RUN/$1" "${2:-0}" >"$RUN/$1.out" 2>"$RUN/$1.log" &
    SINK_PID=$!
    PIDS+=("$SINK_PID")
    wait_for 10 test -s "$RUN/$1.out" || die "the mail server did not start: $(cat "$RUN/$1.log")"
    # shellcheck disable=SC2034
    SINK=$(cat "$RUN/$1.out")
}

# traffic_start, traffic_stop
traffic_start() {
    local since=$EPOCHREALTIME
    python3 "$TRAFFIC" send "$SHEET" "$SMTP" "$WEB" "$LEDGER" &
    SENDER=$!
    PIDS+=("$SENDER")
    wait_for 20 answered "$since" smtp 250 20 || die "no mail was accepted before the fault"
    wait_for 20 answered "$since" rest 201 10 || die "nothing was accepted by REST before the fault"
}
traffic_stop() { end_process "$SENDER" 90; }

# answered SINCE WAY ANSWER N: at least N answers that begin so, since then
answered() {
    python3 "$TRAFFIC" told "$LEDGER" "$1" >"$RUN/told.json"
    (($(json "$RUN/told.json" "sum(n for a, n in j['$2'].items() if a.startswith('$3'))") >= $4))
}

# The operator, and what the pages say.
sign_in() {
    local login password
    login=$(json "$SHEET" 'next(l["login"] for l in j["logins"] if l["who"] == "operator")')
    password=$(json "$SHEET" 'next(l["password"] for l in j["logins"] if l["who"] == "operator")')
    curl -sS -f -o /dev/null -c "$RUN/jar" --data-urlencode "login=$login" --data-urlencode "password=$password" "$WEB/anmelden"
    curl -sS -f -o /dev/null -b "$RUN/jar" "$WEB/betrieb"
}
page() { curl -sS -m 20 -b "$RUN/jar" "$WEB/betrieb" >"$RUN/page.html"; }
# lage: what the operator's page says about the state of the house, a line per note
lage() {
    page && python3 - "$RUN/page.html" <<'PY'
import html, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
part = re.search(r'<section aria-labelledby="lage">(.*?)</section>', text, re.S)
for note in re.findall(r'<p class="kern-title">(.*?)</p>(?:.*?<p class="kern-body">(.*?)</p>)?', part[1] if part else text, re.S):
    print(html.unescape(re.sub(r"<[^>]+>|\s+", " ", " – ".join(n for n in note if n))).strip())
PY
}
says() { lage >"$RUN/lage" && grep -qE -- "$1" "$RUN/lage"; }
ready() { [[ $(curl -sS -m 20 -o "$RUN/ready.json" -w '%{http_code}' "$WEB/health/ready") == "${1:-200}" ]]; }
unready_because() { ready 503 && [[ $(json "$RUN/ready.json" 'next(c["code"] for c in j["components"] if not c["ok"])') == "$1" ]]; }

# expect_trouble NAME CODE SENTENCE: within 20 s both say so
expect_trouble() {
    if wait_for 20 unready_because "$2"; then
        pass "$1-not-ready: $2"
    else
        fail "$1-not-ready" "$(cat "$RUN/ready.json")"
    fi
    if wait_for 20 says "$3"; then
        pass "$1-sentence: $(cat "$RUN/lage")"
    else
        fail "$1-sentence" "$(cat "$RUN/lage")"
    fi
    if (($(wc -l <"$RUN/lage") == 1)); then pass "$1-nothing-else"; else fail "$1-nothing-else" "$(cat "$RUN/lage")"; fi
}
# expect_refused NAME SINCE SMTP REST: both doors refuse for now, with these answers
expect_refused() {
    if wait_for 40 answered "$2" smtp "$3" 3; then pass "$1-smtp-$3"; else fail "$1-smtp" "$(cat "$RUN/told.json")"; fi
    if wait_for 40 answered "$2" rest "$4" 3; then pass "$1-rest-$4"; else fail "$1-rest" "$(cat "$RUN/told.json")"; fi
}
# expect_reading NAME: what was accepted can still be read
expect_reading() {
    check "$1-lists" "$BIN" message list waren-mueritz --limit 3 --config "$CONFIG"
    check "$1-page" page
}
# expect_recovery NAME: within 40 s, the same process, nothing left to say, mail is accepted again
expect_recovery() {
    local began=$EPOCHREALTIME since
    since=$EPOCHREALTIME
    if wait_for 40 ready && wait_for 40 says 'Alles in Ordnung'; then
        pass "$1-recovers: after $(python3 -c "print(round($EPOCHREALTIME - $began, 1))") s"
    else
        fail "$1-recovers" "$(cat "$RUN/ready.json" "$RUN/lage")"
    fi
    if wait_for 20 answered "$since" smtp 250 5 && wait_for 20 answered "$since" rest 201 5; then
        pass "$1-accepts-again"
    else
        fail "$1-accepts-again" "$(cat "$RUN/told.json")"
    fi
    if alive "$NODE"; then pass "$1-same-process"; else fail "$1-same-process" "the node ended"; fi
}
# expect_kept NAME [MAY]: the reckoning
expect_kept() {
    local said
    if said=$(python3 "$TRAFFIC" judge "$SHEET" "$LEDGER" "$BIN" "$CONFIG" "${2:-0}" 2>&1); then
        pass "$1-nothing-lost-nothing-twice: $said"
    else
        fail "$1-nothing-lost-nothing-twice" "$said"
    fi
}
