#!/usr/bin/env bash
# Slow heads, slow and huge bodies, idle connections and handshakes that never end, against the
# release build, with users at work: p50 and p99 of theirs, before and during.
#   bash tests/bench-attacks.sh
# The attackers run on the same machine and share its CPUs with the server.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release -p ioc
cargo test --locked --release -p ioc-tests --test attacks -- --nocapture --test-threads 1 |
  grep -E '^(==|  )|test result'
