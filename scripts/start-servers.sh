#!/usr/bin/env bash
# Starts three servers over one data folder, as `waxd cluster` does, each a process that can be looked at by itself, and
# stays until Ctrl-C or SIGTERM; then it ends those that it started. `scripts/start-lb.sh` starts the balancer before them.
# WAXD_DATA (default: waxd-data), PORTS (default: "8443 8444 8445"), WAXD (default: the one that was built).
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/target}
waxd=${WAXD:-$target/debug/waxd}
[ -x "$waxd" ] || { echo "start-servers: $waxd is not there: run make build" >&2; exit 1; }
data=${WAXD_DATA:-waxd-data}
read -r -a ports <<<"${PORTS:-8443 8444 8445}"
unset WAXD_BLOBS TLS_CERT TLS_KEY
mkdir -p "$data"

pids=()
fifo=$(mktemp -d)
stop() {
  trap - EXIT INT TERM
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$fifo"
}
trap stop EXIT
trap 'stop; exit 0' INT TERM

folders=()
for n in "${!ports[@]}"; do folders+=(--blobs "$data/blobs-$((n + 1))"); done
for n in "${!ports[@]}"; do
  mkfifo "$fifo/$n"
  "$waxd" serve --listen "127.0.0.1:${ports[n]}" --data "$data" "${folders[@]}" --own-folder "$((n + 1))" \
    --trusted-proxies 127.0.0.0/8,::1 --public-url "${PUBLIC_URL:-https://localhost:9000}" --drain-seconds 3 >"$fifo/$n" &
  pids+=($!)
  # The first makes database, keys and authority; the others find them.
  exec {words}<"$fifo/$n"
  while read -r line <&"$words"; do
    echo "server $((n + 1)): $line"
    [ "${line#ready }" = "$line" ] || break
  done
  [ "${line#ready }" != "${line:-}" ] || { echo "start-servers: server $((n + 1)) did not start" >&2; exit 1; }
  # What the console mailer says goes on to this terminal.
  cat <&"$words" &
  exec {words}<&-
done
echo "servers ready; Ctrl-C ends them"
wait "${pids[@]}" || true
