#!/usr/bin/env bash
# Makes the Python environment with the SensorThings client libraries once, outside of the
# checkout, and prints its interpreter.
set -euo pipefail
cd "$(dirname "$0")"
key=$(sha256sum requirements.txt | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests/sensorthings-$key"
if [ ! -e "$home/ready" ]; then
  mkdir -p "$(dirname "$home")"
  exec 9>"$home.lock"
  flock 9
  if [ ! -e "$home/ready" ]; then
    rm -rf "$home"
    python3 -m venv "$home" >&2
    "$home/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt >&2
    "$home/bin/python" -c 'import frost_sta_client, stapy' >&2
    touch "$home/ready"
  fi
fi
echo "$home/bin/python"
