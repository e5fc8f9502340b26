#!/usr/bin/env bash
# The documented API, played by a client in Python that was written from its document, against a real waxd.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=spec/v0/requirements.txt
cache=${WAXWING_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/tools}
venv=$cache/v0-$(sha256sum "$wanted" | cut -c1-16)
if [ ! -e "$venv/made" ]; then
  echo "v0: making a Python environment in the cache folder, once" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$wanted"
  touch "$venv/made"
fi
# The tests have built one already, with features of their own; building another would take minutes.
waxd=${WAXD:-${CARGO_TARGET_DIR:-target}/debug/waxd}
[ -n "${WAXD:-}" ] || cargo build --quiet --locked --workspace --bins
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" spec/v0/check.py "$waxd"
