#!/usr/bin/env bash
# The second reader of the format, in Python, over every vector (-v says why each refusal is one).
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=spec/reader/requirements.txt
cache=${WAXWING_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/tools}
venv=$cache/reader-$(sha256sum "$wanted" | cut -c1-16)
if [ ! -e "$venv/made" ]; then
  echo "reader: making a Python environment in the cache folder, once" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$wanted"
  touch "$venv/made"
fi
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" spec/reader/check.py spec/vectors "$@"
