#!/usr/bin/env bash
# Puts together what is given out: `BIN=target/release DIST=… tests/supply/release.sh`.
# The program without debug symbols (they stay beside, for reading crash reports), its bill of
# materials, licence and notices, and the checksums of all.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "$DIST"
objcopy --only-keep-debug "$BIN/ioc" "$DIST/ioc.debug"
objcopy --strip-all --add-gnu-debuglink="$DIST/ioc.debug" "$BIN/ioc" "$DIST/ioc"
cp LICENSE NOTICE deny.toml Cargo.lock "$DIST/"
python3 tests/supply/sbom.py "$DIST/ioc.cdx.json"
"$(bash tests/supply/tools.sh)/python" tests/supply/validate.py "$DIST/ioc.cdx.json"
(cd "$DIST" && sha256sum ioc ioc.debug ioc.cdx.json LICENSE NOTICE deny.toml Cargo.lock > SHA256SUMS)
"$DIST/ioc" --version
ls -l "$DIST"
