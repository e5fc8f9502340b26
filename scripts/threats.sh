#!/usr/bin/env bash
# Every test that spec/THREATS.md names exists, by exactly that name, and runs by itself.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
while read -r name; do
  if ! grep -rhE -B4 "fn ${name}\b" --include='*.rs' crates | grep -qE '#\[(tokio::)?test\b|proptest'; then
    echo "threats: spec/THREATS.md names what is no test: ${name}" >&2
    missing=1
  fi
done < <(grep '^|' spec/THREATS.md | grep -oE '`[a-z0-9_]+`' | tr -d '`' | grep _ | sort -u)
[ "$missing" = 0 ] && echo "threats: every test that spec/THREATS.md names exists"
exit "$missing"
