#!/usr/bin/env bash
# The walls between the rooms: who may import whom (deny.toml), and the server's blindness.
set -euo pipefail
cd "$(dirname "$0")/.."

# The licences of what other platforms need are looked at too, and a build here has no reason to download it.
cargo fetch --locked --quiet
cargo deny --offline --locked check --hide-inclusion-graph bans licenses sources
# The same promise by the plain command that a stranger would run.
if cargo tree --locked --offline -p waxd -e normal --prefix none | grep -E '^format v' ; then
  echo "layers: waxd can see the inside of sealed files (crate format)" >&2
  exit 1
fi
echo "layers: waxd holds no crate that can open a sealed file"
