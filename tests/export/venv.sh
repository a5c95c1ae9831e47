#!/usr/bin/env bash
# Makes the Python environment that reads exports, once, outside the checkout, and prints the path of
# its Python. Versions are pinned; a change of this file makes a new environment.
set -euo pipefail
key=$(sha256sum "$0" | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests"
venv="$home/export-$key"
if [ ! -e "$venv/ready" ]; then
  mkdir -p "$home"
  exec 9>"$home/export.lock"
  flock 9
fi
if [ ! -e "$venv/ready" ]; then
  rm -rf "$venv"
  {
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
      duckdb==2.0.0 pyarrow==26.0.1 pytz==2026.6
  } >&2
  touch "$venv/ready"
fi
echo "$venv/bin/python"
