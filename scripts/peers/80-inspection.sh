#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# What others signed and encrypted (openssl), packed (7z, python) and infected, inspected by us with the real clamd: what is
# opened arrives byte for byte, what is dangerous does not, and the sheet says so in the words of the standard.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have swaks || skip --oracle "swaks is not installed"
have openssl || skip --oracle "openssl is not installed"
have 7z || skip --oracle "7z is not installed"
scanner=$RUN/clamd
"$ROOT/scripts/servers/clamd" start "$scanner" || exit $?
stop_scanner() { "$ROOT/scripts/servers/clamd" stop "$scanner"; }
trap 'stop_scanner; cleanup' EXIT
# shellcheck source=/dev/null
source "$scanner/env"

# Our own authority, a writer and the box that is written to.
pki=$RUN/pki
mkdir -p "$pki"
quiet() { "$@" >>"$RUN/openssl.log" 2>&1; }
quiet openssl req -x509 -newkey rsa:3072 -nodes -keyout "$pki/root.key" -out "$pki/root.pem" -days 3650 \
    -subj "/CN=Probewurzel/O=Beispiel" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
# issue NAME SUBJECT EXTENSION…
issue() {
    local name=$1 subject=$2
    shift 2
    printf '%s\n' "$@" >"$pki/$name.ext"
    quiet openssl req -newkey rsa:3072 -nodes -keyout "$pki/$name.key" -out "$pki/$name.csr" -subj "$subject"
    quiet openssl x509 -req -in "$pki/$name.csr" -CA "$pki/root.pem" -CAkey "$pki/root.key" -CAcreateserial -days 825 \
        -extfile "$pki/$name.ext" -out "$pki/$name.pem"
}
issue writer "/CN=Erna Muster" keyUsage=critical,digitalSignature,nonRepudiation extendedKeyUsage=emailProtection \
    subjectAltName=email:absender@aussen.example
issue box "/CN=Poststelle Probe" keyUsage=critical,keyEncipherment extendedKeyUsage=emailProtection

slug=waren-mueritz
data=$RUN/hub/data
mkdir -p "$data/vertrauen" "$data/schluessel/$slug"
cp "$pki/root.pem" "$data/vertrauen/Probewurzel.pem"
cat "$pki/box.key" "$pki/box.pem" >"$data/schluessel/$slug/box.pem"
chmod 600 "$data/schluessel/$slug/box.pem"
hub_start hub --quiet --clamd "$POSTSTELLE_TEST_CLAMD"
web=$(demo 'j["web"]')
smtp=$(demo 'j["smtp"]')
to=$(demo 'j["recipient"]')
hot=$(demo 'j["hotfolder"]')
from=absender@aussen.example
send() { swaks --server "$smtp" --from "$from" --to "$to" --timeout 60 --data "@$1"; }
clerk() { demo "next(l['$1'] for l in j['logins'] if l['who'] == 'clerk')"; }
curl -sf -c "$RUN/cookies" -o "$RUN/signed-in" --data-urlencode "login=$(clerk login)" \
    --data-urlencode "password=$(clerk password)" "$web/anmelden" || die "the clerk cannot sign in"
api() { curl -sf -b "$RUN/cookies" "$web/api/v1/$1"; }
# sheet_of SUBJECT FILE: the sheet of the message with this subject
find_sheet() {
    api "messages?limit=200" >"$RUN/list.json" || return 1
    local path
    path=$(json "$RUN/list.json" "next(m['tenant'] + '/' + m['id'] for m in j['messages'] if m['subject'] == '$1')" \
        2>/dev/null) || return 1
    api "messages/$path/sheet" >"$2"
}
sheet_of() { wait_for 30 find_sheet "$1" "$2"; }
# says NAME FILE PYTHON: what the sheet says holds
says() { if json "$2" "str($3)" 2>/dev/null | grep -qx True; then pass "$1"; else fail "$1" "$(head -c 1500 "$2")"; fi; }
envelope() { # SUBJECT BODY-FILE OUT: transport headers before a MIME entity
    { printf 'From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@aussen.example>\r\n' "$from" "$to" "$1" "${1// /-}"
      sed 's/\r$//; s/$/\r/' "$2"; } >"$3"
}

# A MIME entity with an archive of three files, signed, and signed and encrypted, by openssl.
head -c 60000 /dev/urandom >"$RUN/plan.bin"
printf 'a\n' >"$RUN/a.txt"; printf 'b\n' >"$RUN/b.txt"; head -c 9000 /dev/urandom >"$RUN/c.bin"
(cd "$RUN" && python3 -m zipfile -c akten.zip a.txt b.txt c.bin)
make_mail "$RUN/inner.eml" "$from" "$to" inner "$RUN/plan.bin=Plan.bin" "$RUN/akten.zip=Akten.zip"
sed -n '/^Content-Type\|^MIME-Version/,$p' "$RUN/inner.eml" >"$RUN/entity.eml"
cms() { openssl cms "$@" 2>>"$RUN/openssl.log"; }

cms -sign -in "$RUN/entity.eml" -signer "$pki/writer.pem" -inkey "$pki/writer.key" -md sha256 -out "$RUN/signed.mime"
envelope "Unterschrieben" "$RUN/signed.mime" "$RUN/signed.eml"
check signed-accepted send "$RUN/signed.eml"
sheet_of "Unterschrieben" "$RUN/signed.json" || true
says signed-judged "$RUN/signed.json" "any(s['verdict']['indication'] != 'TOTAL-FAILED' and s['signer']['name'] == 'Erna Muster' for p in j['parts'] for s in p.get('signatures', []))"
says signed-covers "$RUN/signed.json" "all(p.get('signed_by') or p.get('signatures') for p in j['parts'] if p.get('part') is not None)"

cms -sign -in "$RUN/entity.eml" -signer "$pki/writer.pem" -inkey "$pki/writer.key" -md sha256 -out "$RUN/signed2.mime"
sed 's/Viele Gr/Keine Gr/' "$RUN/signed2.mime" >"$RUN/tampered.mime"
envelope "Veraendert" "$RUN/tampered.mime" "$RUN/tampered.eml"
check tampered-accepted send "$RUN/tampered.eml"
sheet_of "Veraendert" "$RUN/tampered.json" || true
says tampered-failed "$RUN/tampered.json" "[s['verdict']['sub'] for p in j['parts'] for s in p.get('signatures', [])] == ['HASH_FAILURE']"

for cipher in aes-256-gcm aes-256-cbc; do
    cms -encrypt -"$cipher" -in "$RUN/signed.mime" -recip "$pki/box.pem" -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 \
        -out "$RUN/$cipher.mime"
    envelope "Geheim $cipher" "$RUN/$cipher.mime" "$RUN/$cipher.eml"
    check "$cipher-accepted" send "$RUN/$cipher.eml"
    sheet_of "Geheim $cipher" "$RUN/$cipher.json" || true
    says "$cipher-opened" "$RUN/$cipher.json" "any(c['kind'] == 'decrypt' and c['outcome']['code'] == 'ok' for p in j['parts'] for c in p['checks']) and any(p['path'].endswith('/c.bin') for p in j['parts'])"
done
expect_file decrypted-part-identical "$hot" "$RUN/plan.bin"

# For somebody else's key: delivered all the same, and said.
issue other "/CN=Jemand anderes" keyUsage=critical,keyEncipherment
cms -encrypt -aes-256-cbc -in "$RUN/entity.eml" -recip "$pki/other.pem" -out "$RUN/other.mime"
envelope "Fremder Schluessel" "$RUN/other.mime" "$RUN/other.eml"
check foreign-key-accepted send "$RUN/other.eml"
sheet_of "Fremder Schluessel" "$RUN/other.json" || true
says foreign-key-named "$RUN/other.json" "any(c['outcome']['code'] == 'decrypt-no-key' for p in j['parts'] for c in p['checks'])"

# EICAR by the real clamd: plain, and inside an archive; the rest arrives.
python3 - >"$RUN/eicar.com" <<'PY'
import sys
sys.stdout.write("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + "$H+H*")
PY
head -c 7000 /dev/urandom >"$RUN/gut.bin"
(cd "$RUN" && quiet 7z a -bd -y infected.7z eicar.com a.txt)
for kind in eicar.com infected.7z; do
    make_mail "$RUN/$kind.eml" "$from" "$to" "Virus $kind" "$RUN/$kind=$kind" "$RUN/gut.bin=gut-$kind.bin"
    check "$kind-accepted" send "$RUN/$kind.eml"
    sheet_of "Virus $kind" "$RUN/$kind.json" || true
    says "$kind-found" "$RUN/$kind.json" "j['conclusion']['danger'] == 'infected' and [p['name'] for p in j['parts'] if p['verdict'] == 'held' and p.get('part') is not None] == ['$kind']"
done
expect_file good-part-arrives "$hot" "$RUN/gut.bin"
if has_bytes "$hot" "$RUN/eicar.com" || has_bytes "$hot" "$RUN/infected.7z"; then
    fail infected-stays-out "an infected part lies in the hot folder"
else
    pass infected-stays-out
fi

# A scanner that is gone never means clean; when it is back the part comes by itself.
stop_scanner
head -c 6000 /dev/urandom >"$RUN/spaet.bin"
make_mail "$RUN/late.eml" "$from" "$to" "Ohne Scanner" "$RUN/spaet.bin=spaet.bin"
check unscanned-accepted send "$RUN/late.eml"
sheet_of "Ohne Scanner" "$RUN/late.json" || true
says unscanned-is-not-clean "$RUN/late.json" "j['conclusion']['danger'] == 'indeterminate'"
"$ROOT/scripts/servers/clamd" start "$scanner"
expect_file unscanned-comes-when-scanned "$hot" "$RUN/spaet.bin" 120
finish
