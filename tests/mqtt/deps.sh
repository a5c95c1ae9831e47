#!/usr/bin/env bash
# Installs the MQTT clients that the gateway is tested with once, outside of the checkout: Paho for
# Python and MQTT.js, pinned with all they need. Prints Paho's Python and MQTT.js' folder.
# Mosquitto's clients are a Debian package (tests/install-deps.sh), rumqttc is a crate.
set -euo pipefail
cd "$(dirname "$0")"
key=$(cat requirements.txt package-lock.json | sha256sum | cut -c1-12)
home="${XDG_CACHE_HOME:-$HOME/.cache}/ioc-tests/mqtt-$key"
if [ ! -e "$home/ready" ]; then
  mkdir -p "$(dirname "$home")"
  exec 9>"$home.lock"
  flock 9
  if [ ! -e "$home/ready" ]; then
    rm -rf "$home"
    {
      python3 -m venv "$home/python"
      "$home/python/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt
      mkdir "$home/js"
      cp package.json package-lock.json "$home/js"
      (cd "$home/js" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    } >&2
    touch "$home/ready"
  fi
fi
echo "$home/python/bin/python"
echo "$home/js"
