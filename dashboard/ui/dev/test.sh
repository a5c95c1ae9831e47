#!/usr/bin/env bash
# The page's own tests: types, units, and its behaviour in Chromium against the mock server.
# WORK names a folder outside the sources for node_modules and the build.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"
npm run --silent check
npm run --silent test
npx vite build --logLevel warn --outDir "$work/dist" --emptyOutDir
node dev/budget.mjs "$work/dist"
npm run --silent behave
