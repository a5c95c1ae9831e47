#!/usr/bin/env bash
# The browser tests: Debian's Chromium against the real binaries. BIN names their folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${BIN:?folder of the built ioc and ioc-sim}"
export BIN
export IOC_CONFIG_SOURCE=${IOC_CONFIG_SOURCE:-$here/../../config}
BIN=$(cd "$BIN" && pwd)
work=${IOC_BROWSER_WORK:-$BIN/browser-tests}
mkdir -p "$work"
rm -f "$work"/*.mjs
cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$work"/
cd "$work"
if ! cmp -s package-lock.json node_modules/.ioc-lock; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.ioc-lock
fi
export IOC_SHOTS=${IOC_SHOTS:-$work/shots}
mkdir -p "$IOC_SHOTS"
node --test --test-concurrency=1 ./*.test.mjs
