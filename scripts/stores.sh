#!/usr/bin/env bash
# Builds Garage and installs a node of IPFS (the JavaScript implementation) into the folder of tools, once. The tests of
# the storage drivers against real stores use them (`make test-full`); about a quarter of an hour on two cores.
set -euo pipefail

tools=${WAXWING_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/tools}
say() { printf 'stores: %s\n' "$*" >&2; }

if [ ! -x "$tools/bin/garage" ]; then
  say "building Garage"
  CARGO_TARGET_DIR="$tools/build-garage" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=false \
    CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --quiet --locked --root "$tools" garage@2.5.0 --no-default-features --features sqlite,bundled-libs
  rm -rf "$tools/build-garage"
fi

if [ ! -d "$tools/ipfs/node_modules/ipfs" ]; then
  if ! command -v npm >/dev/null 2>&1; then
    say "npm is needed for the node of IPFS (on Debian: apt-get install npm)"
    exit 1
  fi
  say "installing a node of IPFS"
  mkdir -p "$tools/ipfs"
  # Nothing that a package brings is run while it is installed.
  npm install --prefix "$tools/ipfs" --silent --ignore-scripts --omit=optional --no-audit --no-fund ipfs@0.66.1
fi
