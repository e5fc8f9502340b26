#!/usr/bin/env bash
# All that must hold, in the order in which a fault is found soonest.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format of the code"
cargo fmt --all --check
step "lints, warnings denied"
cargo clippy --locked --workspace --all-targets -- -D warnings
step "walls between the rooms"
scripts/layers.sh
step "every threat has its tests"
scripts/threats.sh
step "tests"
cargo nextest run --locked --workspace --no-fail-fast
# The same selection of packages everywhere: another one would compile every dependency again.
if command -v redis-server >/dev/null; then
  for redis in up down dying; do
    step "limits with a Redis that is $redis"
    WAXWING_TEST_REDIS=$redis cargo nextest run --locked --workspace --no-fail-fast \
      -E 'package(server) & kind(test) & (test(/limit|several|proxies|code|boxes|links|factor|directory|v0|events|vault|pins/) - test(/^redis::/))'
  done
else
  without_redis="  - everything with a Redis, for redis-server is not installed here (make setup-test)"
fi
step "several servers on PostgreSQL"
# One test writes rows into the SQLite file by itself.
"${CARGO_TARGET_DIR:-target}/debug/with-postgres" cargo nextest run --locked --workspace --no-fail-fast \
  -E 'package(server) & test(/^(several|jobs|events|links|boxes)/) - test(/deletions_of_what_ended/)'
step "the documented API by a client in Python"
WAXD="${CARGO_TARGET_DIR:-target}/debug/waxd" scripts/v0.sh
step "the independent reader"
scripts/reader.sh
step "examples in the documentation"
cargo test --locked --workspace --doc --quiet
printf '\nall of it holds\n'
if [ -z "${WAXWING_LONG_FOLLOWS:-}" ]; then
  cat <<'LEFT_OUT'
left out here:
  - the long forms of the faults: 400 by chance, 100 interruptions, ten minutes without network,
    power loss on 500 states, a crowd of 1,000, 600 faults on a cluster, the upgrade from the version before (make test-full)
  - the storage drivers against Garage and the JavaScript node of IPFS, all tests of the server on PostgreSQL (make test-full)
  - 16 GiB under a bound of memory, an hour of faults (make soak)
  - fuzzing beyond the stored inputs (make fuzz), known answers by Python (make known), speed (make bench),
    every check behind spec/THREATS.md taken away (make lies)
LEFT_OUT
elif [ -n "${without_redis:-}" ]; then
  echo 'left out here:'
fi
[ -z "${without_redis:-}" ] || echo "$without_redis"
