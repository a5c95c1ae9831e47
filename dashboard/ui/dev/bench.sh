#!/usr/bin/env bash
# What the page costs the browser, and how soon it shows something. Some 20 minutes; on a quiet machine.
# WORK names a folder outside the sources for node_modules and the build.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"
npx vite build --logLevel warn --outDir "$work/dist" --emptyOutDir
node dev/bench/paint.mjs
node dev/bench/console.mjs --minutes 10
node dev/bench/console.mjs --view explore
node dev/bench/console.mjs --devices 50000 --rate 20000
node dev/bench/console.mjs --size 3840x2160
