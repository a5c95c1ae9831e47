#!/bin/sh
# Runs every fuzz target for SECONDS, one after the other, and prints executions per target.
# Usage: ingest/fuzz/run.sh SECONDS [TARGET…]
# SANITIZER=address also looks for wrong memory in C and unsafe code (some 15 times slower).
# KEEP=1 writes what covers something new, made small, into corpus/.
set -eu
cd "$(dirname "$0")"
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
sanitizer=${SANITIZER:-none}
# The stable compiler has the switch, and hides it.
[ "$sanitizer" = none ] || export RUSTC_BOOTSTRAP=1

cargo fuzz --version 2>/dev/null | grep -q ' 0\.13\.' ||
  cargo install cargo-fuzz --version 0.13.2 --locked
if [ $# -eq 0 ]; then
  cargo fuzz build -s "$sanitizer"
  # shellcheck disable=SC2046  # one word each
  set -- $(cargo fuzz list)
fi

work=${CARGO_TARGET_DIR:-target}/work
case $work in /*) ;; *) work=$PWD/$work ;; esac
failed=0
printf '%-16s %12s %10s %8s %8s\n' target executions per_s coverage corpus
for target in "$@"; do
  mkdir -p "$work/$target/seeds" "$work/$target/corpus" "$work/$target/new" "corpus/$target"
  log=$work/$target/log
  # A run before writes the seeds, which are made of the documented examples.
  IOC_FUZZ_SEEDS=$work/$target/seeds cargo fuzz run -s "$sanitizer" "$target" \
    "$work/$target/new" -- -runs=0 >"$log" 2>&1 || true
  if cargo fuzz run -s "$sanitizer" "$target" "$work/$target/corpus" "corpus/$target" \
    "$work/$target/seeds" -- -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1; then word=; else
    word=" FAILED, see $log"
    failed=1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  per_s=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  corpus=$(find "$work/$target/corpus" -type f | wc -l)
  printf '%-16s %12s %10s %8s %8s%s\n' "$target" "${runs:-?}" "${per_s:-?}" "${cov:-?}" \
    "$corpus" "$word"
  if [ "${KEEP:-0}" = 1 ]; then
    rm -rf "$work/$target/min" && mkdir "$work/$target/min"
    cargo fuzz run -s "$sanitizer" "$target" "$work/$target/min" "$work/$target/seeds" \
      "corpus/$target" "$work/$target/corpus" -- -merge=1 -max_len=512 >>"$log" 2>&1
    # What a seed covers is made anew each time; of the rest the smallest 12 KiB are kept.
    find "$work/$target/min" -type f -printf '%s %p\n' | sort -n |
      awk '(sum += $1) <= 12288 { print $2 }' | while read -r file; do
      cmp -s "$file" "$work/$target/seeds/$(basename "$file")" || cp "$file" "corpus/$target/"
    done
  fi
done
exit $failed
