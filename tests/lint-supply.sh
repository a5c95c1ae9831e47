#!/usr/bin/env bash
# What we depend on: licences, sources, bans, known holes; and that no exception has run out.
#
# Known holes need the RustSec database (a git clone, or its files): IOC_ADVISORY_DB, or
# ~/.cargo/advisory-db. Where it cannot be had this says so, and checks all the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
ignored=$(python3 tests/supply/exceptions.py)
tools=$(bash tests/supply/tools.sh)

# cargo-deny asks cargo about the graph; --offline since `cargo` has fetched it for clippy before.
# Duplicates are warnings: their list is long and is in `cargo tree -d`; the count is enough here.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
if ! "$tools/cargo-deny" --locked --offline --color never check bans licenses sources >"$said" 2>&1; then
  cat "$said" >&2
  exit 1
fi
tail -n 1 "$said"
echo "crates in more than one version: $(grep -c '^warning\[duplicate\]' "$said" || true)"

db="${IOC_ADVISORY_DB:-$HOME/.cargo/advisory-db}"
if [ -d "$db/crates" ]; then
  args=(--db "$db" --no-fetch --stale --deny warnings)
  for id in $ignored; do args+=(--ignore "$id"); done
  "$tools/cargo-audit" audit "${args[@]}"
  echo "advisories: asked $(find "$db/crates" -name 'RUSTSEC-*' | wc -l) of $db"
else
  echo "advisories: NOT checked, there is no RustSec database at $db (IOC_ADVISORY_DB)"
fi

# The registry may not answer questions about holes (a mirror); its refusal is no finding.
for folder in dashboard/ui tests/browser tests/mqtt; do
  if found=$(cd "$folder" && npm audit --package-lock-only --audit-level=moderate 2>&1); then
    echo "npm audit: $folder is clean"
  elif grep -q 'audit endpoint returned an error\|ENOTFOUND\|ECONNREFUSED' <<<"$found"; then
    echo "npm audit: NOT checked for $folder, the registry does not answer"
  else
    echo "$found" >&2
    exit 1
  fi
done
