#!/usr/bin/env bash
# Known answers the other way round: Python computes the stored answers again and opens what we seal.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/waxwing
python=$cache/python/known/bin/python
if [ ! -x "$python" ]; then
  echo "known: making a Python environment in the cache folder, once" >&2
  python3 -m venv "$cache/python/known"
  "$cache/python/known/bin/pip" --quiet install --requirement spec/known/requirements.txt
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1
"$python" spec/known/make.py >"$work/answers.json"
"$python" spec/known/check.py --answers spec/known/answers.json "$work/answers.json"
cargo run --quiet --locked -p format --example seal_known >"$work/sealed.json"
"$python" spec/known/check.py "$work/sealed.json"
