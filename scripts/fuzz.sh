#!/usr/bin/env bash
# Fuzzes every parser of strangers' bytes for a while, then keeps the smallest corpus that covers the same.
#   FUZZ_SECONDS   seconds for each target (default 60)
#   FUZZ_TARGETS   names of targets (default: all)
#   FUZZ_LOGS      folder for one log of each target
#   FUZZ_SANITIZER address (default) or none
# A finding ends the run; its input stays in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
work=${FUZZ_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/waxwing/fuzz}
seeds_target=${CARGO_TARGET_DIR:-$work/seeds-target}
logs=${FUZZ_LOGS:-$work/logs}
sanitizer=${FUZZ_SANITIZER:-address}
read -ra targets <<<"${FUZZ_TARGETS:-$(cd fuzz && sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml | tr '\n' ' ')}"
# Files longer than this are not kept in the repository.
longest_kept=20000
mkdir -p "$logs"

dictionary_of() {
  case $1 in
    manifest | grant | bundle | container_head | vault_layout | pins_outside | small_outside | framing | body_shape) echo layouts ;;
    metadata | vault_body | pins_inside | folder) echo cbor ;;
    pem_* | pkcs8_private | spki) echo keys ;;
    phrase) echo words ;;
    requests | replies | problem) echo json ;;
    address | file_name | ids | scanned_number) echo text ;;
    inflate_*) echo deflate ;;
  esac
}

longest_of() {
  case $1 in
    vault_body) echo 2048 ;;
    nodes | segment | small_message | inflate_*) echo 8192 ;;
    manifest | metadata | vault_layout) echo 16384 ;;
    *) echo 4096 ;;
  esac
}

# A compiler that is not a nightly one takes the flags of sanitizers only with this.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="$work/target"
fuzz() { (cd fuzz && cargo fuzz "$@"); }

echo "fuzz: building (sanitizer: $sanitizer)"
fuzz build --sanitizer "$sanitizer"
echo "fuzz: sealing seeds"
rm -rf "$work/seeds"
env -u RUSTC_BOOTSTRAP CARGO_TARGET_DIR="$seeds_target" \
  cargo run --quiet --locked -p strangers --example seeds -- "$work/seeds"

for target in "${targets[@]}"; do
  corpus=fuzz/corpus/$target
  found=$work/corpus/$target
  mkdir -p "$corpus" "$found"
  dictionary=$(dictionary_of "$target")
  options=("-max_total_time=$seconds" "-max_len=$(longest_of "$target")" -timeout=20 -rss_limit_mb=2048
    -malloc_limit_mb=64 -print_final_stats=1 ${dictionary:+-dict=$PWD/fuzz/dict/$dictionary.dict})
  echo "fuzz: $target, $seconds s"
  if ! fuzz run --sanitizer "$sanitizer" "$target" "$found" "$PWD/$corpus" "$work/seeds/$target" \
    -- "${options[@]}" >"$logs/$target.log" 2>&1; then
    tail -n 40 "$logs/$target.log" >&2
    echo "fuzz: $target broke; the input is in fuzz/artifacts/$target, the log in $logs/$target.log" >&2
    exit 1
  fi
  grep -E 'cov:|stat::number_of_executed_units' "$logs/$target.log" | tail -n 2

  # A small corpus that reaches the same code, without what is too long to keep. All that was found stays in
  # the cache folder and is where the next run begins.
  small=$work/small
  rm -rf "$small" && mkdir -p "$small"
  fuzz run --sanitizer "$sanitizer" "$target" "$small" "$PWD/$corpus" "$found" "$work/seeds/$target" \
    -- -set_cover_merge=1 -use_counters=0 "-max_len=$(longest_of "$target")" >>"$logs/$target.log" 2>&1
  find "$small" -type f -size +"$longest_kept"c -delete
  rm -rf "$corpus" && cp -r "$small" "$corpus"
done
echo "fuzz: nothing broke; fuzz/corpus/ holds the smallest corpora"
