#!/usr/bin/env bash
# Starts the load balancer on 127.0.0.1:9000 before the servers of `scripts/start-servers.sh`, and stays until Ctrl-C.
# WAXD_DATA (default: waxd-data), PORTS of the servers (default: "8443 8444 8445"), PORT (default: 9000), WAXD.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/target}
waxd=${WAXD:-$target/debug/waxd}
[ -x "$waxd" ] || { echo "start-lb: $waxd is not there: run make build" >&2; exit 1; }
read -r -a ports <<<"${PORTS:-8443 8444 8445}"
upstreams=()
for port in "${ports[@]}"; do upstreams+=(--upstream "https://127.0.0.1:$port"); done
exec "$waxd" balance --listen "127.0.0.1:${PORT:-9000}" --data "${WAXD_DATA:-waxd-data}" "${upstreams[@]}"
