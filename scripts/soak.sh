#!/usr/bin/env bash
# Long runs: a very large file under a bound of memory, then faults by chance for an hour.
# SOAK_GIB=16 and SOAK_MINUTES=60 say how large and how long; WAXWING_SEED repeats the faults. The sealed file takes
# its room in the folder for temporary files (TMPDIR).
set -euo pipefail
cd "$(dirname "$0")/.."

export SOAK_GIB=${SOAK_GIB:-16} SOAK_MINUTES=${SOAK_MINUTES:-60}
printf 'soak: %s GiB, then %s minutes of faults\n' "$SOAK_GIB" "$SOAK_MINUTES"
# One after the other: the figures of memory are of a machine that does nothing else.
cargo nextest run --locked --workspace --run-ignored only -E 'binary(faults) and test(soak)' --test-threads 1 --no-capture
