#!/usr/bin/env bash
# Servers and clients of the version before this one and of this one, together over one database, under load.
# The version before is the commit in `scripts/previous-version`; it is built once into the cache folder. WAXWING_PREVIOUS names
# a folder with its executables instead, if they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${WAXWING_PREVIOUS:-}" ]; then
  previous=$(tr -d '[:space:]' <scripts/previous-version)
  cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing}/previous/$previous
  if [ ! -e "$cache/built" ]; then
    printf 'upgrade: building %s into the cache folder, once\n' "$previous"
    mkdir -p "$cache"
    # What is left of a run that was cut off.
    git worktree remove --force "$cache/tree" 2>/dev/null || rm -rf "$cache/tree"
    git worktree prune
    git worktree add --quiet --detach "$cache/tree" "$previous"
    CARGO_TARGET_DIR="$cache/target" cargo build --quiet --locked --manifest-path "$cache/tree/Cargo.toml" -p cli -p waxd
    git worktree remove --force "$cache/tree"
    touch "$cache/built"
  fi
  export WAXWING_PREVIOUS=$cache/target/debug
fi
cargo build --quiet --locked --workspace --bins
cargo nextest run --locked --workspace --run-ignored only -E 'binary(chaos) and test(upgrade)' --no-capture
