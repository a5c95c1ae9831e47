#!/usr/bin/env bash
# Installs the real servers and the browser that the tests use, from Debian; does nothing when
# they are there.
set -euo pipefail
need=()
want() { [ -x "$1" ] || need+=("$2"); }
want /usr/sbin/mosquitto mosquitto
want /usr/bin/mosquitto_pub mosquitto-clients
want /usr/bin/influxd influxdb
want /usr/bin/victoria-metrics victoria-metrics
want /usr/bin/chromium chromium
want /usr/bin/xzcat xz-utils
want /usr/bin/strace strace
want /usr/bin/xmllint libxml2-utils
want /usr/lib/python3/dist-packages/aiosmtpd python3-aiosmtpd
want /usr/bin/openssl openssl
want /usr/bin/cc gcc
want /usr/share/doc/python3-venv python3-venv
if [ ${#need[@]} -gt 0 ]; then
  echo "installing for the tests: ${need[*]}"
  if [ "$(id -u)" -ne 0 ]; then echo "run as root, or install these packages by hand" >&2; exit 1; fi
  export DEBIAN_FRONTEND=noninteractive
  # The tests start their own servers: the packages must not start theirs (Mosquitto would take
  # port 1883 from `make run`).
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${need[@]}"
fi
# Readers and validators of what we give to others, from PyPI, each in its own environment.
for part in export opendata sensorthings openapi tls; do bash "$(dirname "$0")/$part/venv.sh" >/dev/null; done
bash "$(dirname "$0")/mqtt/deps.sh" >/dev/null
bash "$(dirname "$0")/supply/tools.sh" >/dev/null
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
