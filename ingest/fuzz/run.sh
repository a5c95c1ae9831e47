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
cargo fuzz build -s "$sanitizer"
# shellcheck disable=SC2046  # one word each
[ $# -gt 0 ] || set -- $(cargo fuzz list)

built=${CARGO_TARGET_DIR:-target}
case $built in /*) ;; *) built=$PWD/$built ;; esac
work=$built/work
built=$built/$(rustc -vV | sed -n 's/^host: //p')/release
failed=0
printf '%-16s %12s %10s %8s %8s\n' target executions per_s coverage corpus
for target in "$@"; do
  mkdir -p "$work/$target/seeds" "$work/$target/corpus" "corpus/$target" "artifacts/$target"
  log=$work/$target/log
  # A run before writes the seeds, which are made of the documented examples.
  IOC_FUZZ_SEEDS=$work/$target/seeds "$built/$target" -runs=0 >"$log" 2>&1 || true
  if "$built/$target" "$work/$target/corpus" "corpus/$target" "$work/$target/seeds" \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
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
    "$built/$target" "$work/$target/min" "$work/$target/seeds" "corpus/$target" \
      "$work/$target/corpus" -merge=1 -max_len=512 >>"$log" 2>&1
    # Seeds are made anew each time; of the rest a few are kept.
    sha1sum "$work/$target"/seeds/* | cut -c1-40 >"$work/$target/known"
    find "$work/$target/min" -type f -printf '%f\n' | sort | grep -vxF -f "$work/$target/known" |
      head -n 32 | while read -r file; do cp "$work/$target/min/$file" "corpus/$target/"; done
  fi
done
exit $failed
