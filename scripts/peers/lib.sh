# SPDX-License-Identifier: EUPL-1.2
# shellcheck shell=bash
# For the scripts of this folder. Source it first; at the end say `finish`.

set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
own_run=
if [[ -z ${RUN:-} ]]; then
    RUN=$(mktemp -d "${TMPDIR:-/tmp}/poststelle-peer.XXXXXX")
    own_run=$RUN
fi
: "${ARTIFACTS:=$ROOT/test-artifacts/peers}"
mkdir -p "$RUN" "$ARTIFACTS"

FAILED=0
HUBS=()
POSTFIXES=()
pass() { printf 'PASS %s\n' "$1"; }
fail() {
    printf 'FAIL %s: %s\n' "$1" "${2:-}"
    FAILED=$((FAILED + 1))
}
# check NAME COMMAND…: PASS when the command succeeds; its output is the reason when not.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then pass "$name"; else fail "$name" "$(tail -n 3 <<<"$said" | tr '\n' ' ')"; fi
}
finish() { ((FAILED == 0)) || exit 1; }

cleanup() {
    local one
    for one in "${HUBS[@]}"; do
        "$ROOT/scripts/hub" stop "$one" || true
        cp "$one/log" "$ARTIFACTS/$(basename "$0" .sh)-$(basename "$one").log" 2>/dev/null || true
    done
    for one in "${POSTFIXES[@]}"; do
        cp "$one/log" "$ARTIFACTS/$(basename "$0" .sh)-postfix.log" 2>/dev/null || true
        end_process "$(tr -d ' ' <"$one/queue/pid/master.pid" 2>/dev/null || true)" 5
        rm -rf "$one"
    done
    [[ -z $own_run ]] || rm -rf "$own_run"
}
trap cleanup EXIT

# hub_start NAME [ARGUMENT…]: sets HUB (its folder), and DEMO (its demo.json).
hub_start() {
    HUB=$RUN/$1
    shift
    "$ROOT/scripts/hub" start "$HUB" "$@" || exit $?
    HUBS+=("$HUB")
    DEMO=$HUB/data/demo.json
}
demo() { json "$DEMO" "$1"; }

# A message with a text and attachments whose bytes we know.
#   make_mail FILE FROM TO SUBJECT ATTACHMENT[=NAME]…   (RFC 5322 with CRLF; names by RFC 2231)
make_mail() {
    python3 - "$@" <<'PY'
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
out, sender, to, subject, *files = sys.argv[1:]
mail = EmailMessage(policy=SMTP)
mail["From"], mail["To"], mail["Subject"] = sender, to, subject
mail["Message-ID"] = make_msgid(domain="aussen.example")
mail.set_content("Guten Tag,\n\nanbei die Unterlagen. Viele Grüße aus Güstrow.\n")
for entry in files:
    path, _, name = entry.partition("=")
    mail.add_attachment(open(path, "rb").read(), maintype="application", subtype="octet-stream",
                        filename=name or path.rsplit("/", 1)[-1])
open(out, "wb").write(mail.as_bytes())
PY
}

# Whether a regular file with these bytes lies anywhere under FOLDER (and nothing was written outside of it).
has_bytes() {
    local want size
    want=$(sha256sum <"$2" | cut -c1-64)
    size=$(stat -c %s "$2")
    find "$1" -type f -size "${size}c" -exec sha256sum {} + 2>/dev/null | grep -q "^$want"
}
# expect_file NAME FOLDER FILE [SECONDS]
expect_file() {
    if wait_for "${4:-30}" has_bytes "$2" "$3"; then pass "$1"; else fail "$1" "no file with these bytes under $2"; fi
}

# postfix_start [PARAMETER=VALUE…]: a Postfix of its own on 127.0.0.1, on POSTFIX_PORT if that is set; sets POSTFIX (its
# folder) and POSTFIX_PORT.
# It accepts mail for aussen.example into POSTFIX/mail/USER/ (Maildir) and relays the rest to the given relayhost.
postfix_start() {
    have postfix || skip --oracle "Postfix is not installed"
    [[ $EUID -eq 0 ]] || skip "Postfix only starts as root"
    POSTFIX=$(mktemp -d "${TMPDIR:-/tmp}/poststelle-postfix.XXXXXX")
    [[ -n ${POSTFIX_PORT:-} ]] || read -r POSTFIX_PORT < <(free_ports 1)
    mkdir -p "$POSTFIX"/{etc,queue,lib,mail}
    chmod 755 "$POSTFIX"
    chown postfix "$POSTFIX/lib" "$POSTFIX/mail"
    local uid
    uid=$(id -u postfix)
    cat >"$POSTFIX/etc/main.cf" <<CF
compatibility_level = 3.6
queue_directory = $POSTFIX/queue
data_directory = $POSTFIX/lib
maillog_file = $POSTFIX/log
maillog_file_prefixes = $POSTFIX
myhostname = mx.aussen.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_bind_address = 127.0.0.1
smtp_dns_support_level = disabled
smtp_host_lookup = native
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_mynetworks,reject
smtp_tls_security_level = may
smtpd_tls_security_level = none
virtual_mailbox_domains = aussen.example
virtual_mailbox_base = $POSTFIX/mail
virtual_mailbox_maps = inline:{ empfang@aussen.example=empfang/, absender@aussen.example=absender/ }
virtual_uid_maps = static:$uid
virtual_gid_maps = static:$(id -g postfix)
virtual_mailbox_limit = 0
message_size_limit = 268435456
mailbox_size_limit = 0
smtputf8_enable = yes
queue_run_delay = 5s
minimal_backoff_time = 5s
maximal_backoff_time = 10s
CF
    local line
    for line in "$@"; do printf '%s\n' "$line" >>"$POSTFIX/etc/main.cf"; done
    sed -E -e '/^(smtp|[0-9.:]+)[[:space:]]+inet/d' -e 's/^([a-z]+[[:space:]]+(unix|inet)[[:space:]]+[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+)y/\1n/' \
        "$(compgen -G '/usr/share/postfix/master.cf.dist' || echo /etc/postfix/master.cf)" >"$POSTFIX/etc/master.cf"
    printf '127.0.0.1:%s inet n - n - - smtpd\n' "$POSTFIX_PORT" >>"$POSTFIX/etc/master.cf"
    # An instance outside the default folder must be known to the default one, or set-gid commands refuse it; the tests
    # hand mail in by SMTP and need none of them.
    touch "$POSTFIX/log"
    chown postfix "$POSTFIX/log"
    postfix -c "$POSTFIX/etc" start >"$POSTFIX/start" 2>&1 || {
        cat "$POSTFIX/start" >&2
        die "Postfix did not start"
    }
    POSTFIXES+=("$POSTFIX")
    wait_for 15 bash -c "exec 3<>/dev/tcp/127.0.0.1/$POSTFIX_PORT" || {
        tail -n 20 "$POSTFIX/log" >&2
        die "Postfix does not listen"
    }
}
