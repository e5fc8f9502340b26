#!/usr/bin/env bash
# Tries the parts that `scripts/start-servers.sh` and `scripts/start-lb.sh` start: a file of 128 MiB goes through the balancer
# with one server killed on the way, and comes back the same. Everything lies in a temporary folder; what was started is ended.
# With other ports than the usual ones: PORTS="18443 18444 18445" PORT=19000 scripts/test-demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/target}
wax=${WAX:-$target/debug/wax}
[ -x "$wax" ] || { echo "test-demo: $wax is not there: run make build" >&2; exit 1; }
export PORT=${PORT:-9000} PORTS=${PORTS:-8443 8444 8445} WAXD_MAIL=console
scene=$(mktemp -d)
export WAXD_DATA=$scene/data PUBLIC_URL=https://localhost:$PORT
home=$scene/alice

pids=()
stop() {
  trap - EXIT
  "$wax" --home "$home" lock >/dev/null 2>&1 || true
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$scene"
}
trap stop EXIT
say() { printf '%s\n' "$*"; }
fail() { say "test-demo: $*"; tail -n 20 "$scene"/*.log; exit 1; }
# wait_for WORD FILE PID: until the word stands in the file, as long as the process lives, for a minute at most.
wait_for() {
  for _ in $(seq 600); do
    grep -q "$1" "$2" 2>/dev/null && return
    kill -0 "$3" 2>/dev/null || fail "a part ended before it was ready"
    sleep 0.1
  done
  fail "$1 did not come"
}

scripts/start-servers.sh >"$scene/servers.out" 2>"$scene/servers.log" &
servers=$!
pids+=("$servers")
wait_for '^servers ready' "$scene/servers.out" "$servers"
scripts/start-lb.sh >"$scene/lb.out" 2>"$scene/lb.log" &
lb=$!
pids=("$lb" "${pids[@]}")
wait_for '^ready' "$scene/lb.out" "$lb"
say "three servers and a balancer run; clients come to https://localhost:$PORT"

mkfifo "$scene/code"
"$wax" --home "$home" login alice@lindenhof-law.example --server "https://localhost:$PORT" --ca "$WAXD_DATA/tls/ca.pem" \
  <"$scene/code" >/dev/null 2>"$scene/alice.log" &
login=$!
exec {code}>"$scene/code"
for _ in $(seq 600); do compgen -G "$WAXD_DATA/mail/*" >/dev/null && break; sleep 0.1; done
sed 's/\r$//' "$WAXD_DATA"/mail/* | sed '1,/^$/d' | grep -oE '\b[0-9]{6}\b' | head -n1 >&"$code"
exec {code}>&-
wait "$login" || fail "Alice could not sign in"
echo 'a passphrase of this test, and of no other' >"$scene/passphrase"
"$wax" --home "$home" keys generate --passphrase-fd 0 <"$scene/passphrase" >/dev/null 2>>"$scene/alice.log"
"$wax" --home "$home" unlock --passphrase-fd 0 <"$scene/passphrase" >/dev/null 2>>"$scene/alice.log"
say "Alice signed in through the balancer, with a code that one of the servers mailed"

head -c 134217728 /dev/urandom >"$scene/file"
read -r -a ports <<<"$PORTS"
victim=$(pgrep -P "$servers" -f -- "--listen 127.0.0.1:${ports[1]}") || fail "server 2 does not run"
# How many of the eight whole parts are stored; two folders hold each.
stored() {
  { find "$WAXD_DATA"/blobs-* -type f -size +15M -not -path '*/tmp/*' 2>/dev/null || true; } | sed 's|.*/||' | sort -u | wc -l
}
"$wax" --home "$home" --json send "$scene/file" --no-compress --to alice@lindenhof-law.example >"$scene/sent" 2>>"$scene/alice.log" &
send=$!
until [ "$(stored)" -gt 0 ]; do
  kill -0 "$send" 2>/dev/null || fail "the transfer ended before a part of it was stored"
  sleep 0.01
done
# The sender stands still meanwhile: what is not there now cannot have come before the server was killed.
kill -STOP "$send" 2>/dev/null || fail "the transfer ended before a server could be killed"
parts=$(stored)
kill -KILL "$victim"
kill -CONT "$send"
[ "$parts" -lt 8 ] || fail "all parts had come before the server was killed, so that nothing was tried"
wait "$send" || fail "the transfer did not end well"
say "server 2 (process $victim) was killed when $((parts)) of 8 parts had come, and the transfer ended well by itself"
id=$(grep -oE '"id": ?"[^"]+"' "$scene/sent" | head -n1 | cut -d'"' -f4)
"$wax" --home "$home" get "$id" -o "$scene/got" >/dev/null 2>>"$scene/alice.log"
cmp "$scene/file" "$scene/got" || fail "other bytes came"
say "the file came back the same, from the two servers that are left"
say "who took how many requests:"
grep 'passed on' "$scene/lb.log" | grep -oE '127\.0\.0\.1:[0-9]+' | sort | uniq -c
