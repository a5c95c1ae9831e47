#!/usr/bin/env bash
# Connections, reconnection and a flooding device against the real binary:
#   BIN=target/release DEVICES=10000 bash tests/bench-fleet.sh
# Devices prove who they are with tokens; plain on loopback, then TLS 1.3. Ends by itself.
set -euo pipefail
BIN=${BIN:-target/release}
DEVICES=${DEVICES:-10000}
FLOOD_DEVICES=${FLOOD_DEVICES:-1000}
SECONDS_EACH=${SECONDS_EACH:-20}
ulimit -n 20000
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }; rm -rf "$work"' EXIT
cd "$(dirname "$0")/.."
cp -r config "$work/config"
cat >"$work/config/ioc.yaml" <<YAML
ingest:
  gateway:
    anonymous: never
    max_connections: 15000
    tls:
      listen: 127.0.0.1:0
      certificate_file: $work/server.pem
      key_file: $work/server.key
YAML
(
  cd "$work"
  ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
  openssl req -x509 $ec -days 30 -subj "/CN=bench CA" -keyout ca.key -out ca.pem
  openssl req $ec -subj "/CN=ioc" -keyout server.key -out server.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >server.ext
  openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.pem
) 2>/dev/null
{
  echo "id,name_vi,name_en,kind,service,area,lat,lon,properties,cadence_s"
  for n in $(seq -w 1 "$DEVICES"); do echo "fleet-$n,Trạm $n,Station $n,air_station,air,hai_chau,16.0762,108.2182,pm25,60"; done
} >"$work/devices.csv"
"$BIN/ioc" run --config "$work/config" --data "$work/data" --mqtt-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --log warn >"$work/out" 2>"$work/log" &
pid=$!
for _ in $(seq 300); do grep -q '^ready ' "$work/out" && break; sleep 0.1; done
grep '^ready ' "$work/out"
mqtt=$(sed -n 's/^ready.* mqtt=\([^ ]*\).*/\1/p' "$work/out")
mqtts=$(sed -n 's/^ready.* mqtts=\([^ ]*\).*/\1/p' "$work/out")
python3 - "$work" <<'PY'
import http.client, json, re, sys, time
work = sys.argv[1]
out = open(f"{work}/out").read()
host = re.search(r"http=(\S+)", out).group(1)
link = re.search(r"/signin\?token=\S+", out).group(0)
c = http.client.HTTPConnection(host)
c.request("GET", link, headers={"host": host}); r = c.getresponse(); r.read()
cookie = r.getheader("set-cookie").split(";")[0]
head = {"cookie": cookie, "origin": f"http://{host}", "x-ioc-request": "1", "content-type": "application/json"}
def post(path, body):
    c.request("POST", path, json.dumps(body), head); r = c.getresponse(); text = r.read()
    if r.status != 200: sys.exit(f"{path}: {r.status} {text[:300]}")
    return json.loads(text)
start = time.time()
csv = open(f"{work}/devices.csv").read()
done = post("/api/v1/registry/import", {"format": "csv", "file": "devices.csv", "text": csv})
ids = [l.split(",")[0] for l in csv.splitlines()[1:]]
with open(f"{work}/tokens.csv", "w") as f:
    for i in ids: f.write(f"{i},{post(f'/api/v1/registry/{i}/tokens', {'label': 'bench'})['token']}\n")
print(f"registry {done['import']} and {len(ids)} tokens over REST in {time.time() - start:.1f} s")
PY
common=(--tokens "$work/tokens.csv" --server-pid "$pid")
echo "== plain, $DEVICES connections, one message each 10 s"
"$BIN/ioc-sim" fleet --target "mqtt://$mqtt" --devices "$DEVICES" --idle-seconds 10 --every 10 --seconds "$SECONDS_EACH" --reconnect "${common[@]}"
echo "== TLS 1.3, $DEVICES connections, full handshakes"
"$BIN/ioc-sim" fleet --target "mqtt://localhost:${mqtts##*:}" --ca "$work/ca.pem" --devices "$DEVICES" --idle-seconds 10 --every 10 --seconds "$SECONDS_EACH" --reconnect "${common[@]}"
echo "== one device floods beside $FLOOD_DEVICES"
"$BIN/ioc-sim" fleet --target "mqtt://$mqtt" --devices "$FLOOD_DEVICES" --idle-seconds 1 --every 1 --seconds "$SECONDS_EACH" --flood "${common[@]}"
