#!/usr/bin/env bash
# SPDX-License-Identifier: EUPL-1.2
# swaks delivers to us: what is acknowledged arrives byte for byte in the hot folder, whatever the attachment is called;
# what must be refused is refused with the right number.
# shellcheck source=scripts/peers/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
have swaks || skip --oracle "swaks is not installed"
hub_start hub
smtp=$(demo 'j["smtp"]')
to=$(demo 'j["recipient"]')
hot=$(demo 'j["hotfolder"]')
from=absender@aussen.example
send() { swaks --server "$smtp" --from "$from" --to "$to" --timeout 60 "$@"; }
# reply CODE ARGUMENT…: the server answered a line that starts with CODE, somewhere in the dialog
reply() {
    local code=$1 said
    shift
    said=$(send "$@" 2>&1) || true
    grep -qE "^<[~*-]{1,2} +$code" <<<"$said" || { tail -n 5 <<<"$said"; return 1; }
}

head -c 80000 /dev/urandom >"$RUN/plain.bin"
make_mail "$RUN/plain.eml" "$from" "$to" "Bauantrag Müller" "$RUN/plain.bin=Bauantrag.pdf"
check swaks-accepted send --data "@$RUN/plain.eml"
expect_file swaks-part-identical "$hot" "$RUN/plain.bin"

head -c 5000 /dev/urandom >"$RUN/tls.bin"
make_mail "$RUN/tls.eml" "$from" "$to" "mit STARTTLS" "$RUN/tls.bin=a.bin"
check swaks-starttls send --tls --data "@$RUN/tls.eml"
expect_file swaks-starttls-part-identical "$hot" "$RUN/tls.bin"
if smtps=$(demo 'j["smtps"]'); then
    head -c 5000 /dev/urandom >"$RUN/smtps.bin"
    make_mail "$RUN/smtps.eml" "$from" "$to" "implizites TLS" "$RUN/smtps.bin=a.bin"
    check swaks-implicit-tls swaks --server "$smtps" --tls-on-connect --from "$from" --to "$to" --data "@$RUN/smtps.eml"
    expect_file swaks-implicit-tls-part-identical "$hot" "$RUN/smtps.bin"
fi

# Names that hurt file systems. Each carries its own bytes, so each must be found.
nfc=$(python3 -c 'print("Gr\u00fc\u00dfe \u00c4mter.pdf")')
nfd=$(python3 -c 'print("Gru\u0308\u00dfe A\u0308mter.pdf")')
long=$(python3 -c 'print("\u00e4" * 123 + "lang.pdf")')
names=("$nfc" "$nfd" "$long" "../../../../tmp/pst-ausbruch.txt" "CON" "nul.txt" "🏛️ Bescheid.pdf" "Punkt." "Leerzeichen " "-rf" "a:b|c?d*e" '..\..\x.exe' ".versteckt" "gleich.pdf" "gleich.pdf")
files=()
for ((i = 0; i < ${#names[@]}; i++)); do
    head -c $((1000 + i)) /dev/urandom >"$RUN/name$i.bin"
    files+=("$RUN/name$i.bin=${names[i]}")
done
make_mail "$RUN/names.eml" "$from" "$to" "Namen" "${files[@]}"
check names-accepted send --data "@$RUN/names.eml"
for ((i = 0; i < ${#names[@]}; i++)); do
    expect_file "name-$i-identical" "$hot" "$RUN/name$i.bin"
done
if [[ -e /tmp/pst-ausbruch.txt ]]; then fail names-stay-inside "a file was written outside of the folder"; else pass names-stay-inside; fi

# Refusals.
check unknown-recipient-550 reply 550 --to "niemand@${to#*@}" --quit-after RCPT
limit=$(demo 'j["limits"]["message_bytes"]' || echo 52428800)
size_declared() {
    exec 3<>"/dev/tcp/${smtp%:*}/${smtp##*:}"
    local line
    read -r -t 10 line <&3
    printf 'EHLO aussen.example\r\n' >&3
    while read -r -t 10 line <&3; do [[ $line == 250-* ]] || break; done
    printf 'MAIL FROM:<%s> SIZE=%s\r\n' "$from" $((limit + 1)) >&3
    read -r -t 10 line <&3
    printf 'QUIT\r\n' >&3
    [[ $line == 552* ]] || { printf '%s\n' "$line"; return 1; }
}
check oversize-declared-552 size_declared
finish
