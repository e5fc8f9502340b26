#!/usr/bin/env bash
# Everything that `make test` runs, and then the long forms of what it runs in a short one.
set -euo pipefail
cd "$(dirname "$0")/.."

WAXWING_LONG_FOLLOWS=1 scripts/test.sh
printf '\n== the server on PostgreSQL; a backup by waxd is for SQLite alone\n'
"${CARGO_TARGET_DIR:-target}/debug/with-postgres" cargo nextest run --locked --workspace --no-fail-fast \
  -E 'package(server) & kind(test) & not test(/^admin::(backup|held)|deletions_of_what_ended/)'
printf '\n== faults, the long forms (about half an hour)\n'
export WAXWING_FAULTS=${WAXWING_FAULTS:-400} WAXWING_INTERRUPTIONS=${WAXWING_INTERRUPTIONS:-100}
export WAXWING_NO_NETWORK=${WAXWING_NO_NETWORK:-600}
cargo nextest run --locked --workspace -E 'binary(faults)' --no-fail-fast
printf '\n== power loss on 500 states, a crowd of 1,000\n'
export WAXWING_POWER_STATES=${WAXWING_POWER_STATES:-500} WAXWING_CROWD=${WAXWING_CROWD:-1000}
cargo nextest run --locked --workspace -E 'test(a_power_loss) or test(a_crowd_larger)'
printf '\n== chaos, the long form: %s faults on each ground\n' "${CHAOS_FAULTS:-600}"
CHAOS_FAULTS=${CHAOS_FAULTS:-600} cargo nextest run --locked --workspace -E 'binary(chaos) and test(whatever_dies)' --no-capture
printf '\n== the version before this one and this one together\n'
scripts/upgrade.sh
printf '\n== the parts of a cluster by themselves\n'
PORT=${DEMO_PORT:-9000} scripts/test-demo.sh
printf '\n== storage drivers against Garage and a node of IPFS\n'
scripts/stores.sh
WAXWING_REAL_STORES=1 cargo nextest run --locked --workspace -E 'package(blobs) & (test(garage) | test(a_node_of_ipfs))'
printf '\nall of it holds, in the long forms as well; left out: the soak (make soak)\n'
