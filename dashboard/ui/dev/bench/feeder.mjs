// A city of any size for the browser benchmark: the mock with more devices, each tick a part of
// them with new values, and alerts that come and go. A process of its own, so that its CPU is not
// the page's. Says where it is in one line of JSON, ends with its input.
import { parseArgs } from 'node:util';
import { startMock } from '../mock.mjs';

const { values } = parseArgs({ options: { dist: { type: 'string' }, devices: { type: 'string' }, rate: { type: 'string' }, alerts: { type: 'string' }, changes: { type: 'string' } } });
const [DEVICES, RATE, ALERTS, CHANGES] = ['devices', 'rate', 'alerts', 'changes'].map((name) => Number(values[name]));
const TICK_MS = 200;
/** A prime: devices come in no order that helps. */
const STRIDE = 7919;
const SEVERITIES = ['info', 'minor', 'minor', 'major', 'major', 'major', 'critical', 'emergency'];

const mock = await startMock({ scene: 'calm', quiet: true, dist: values.dist });
const { city } = mock;

// Around the real ones, in their wards.
const patterns = [...city.devices];
for (let n = patterns.length; n < DEVICES; n++) {
  const like = patterns[n % patterns.length];
  const copy = Math.floor(n / patterns.length);
  const near = (x, k) => x + Math.sin(n * 12.9898 + k * 78.233) * 0.02;
  city.devices.push({
    ...like, boost: {}, silent: false, phase: n * 0.7, seq: 0, severity: 0,
    meta: { ...like.meta, idx: n, id: `${like.meta.id}-${copy}`, name: { vi: `${like.meta.name.vi} ${copy}`, en: `${like.meta.name.en} ${copy}` }, lat: near(like.meta.lat, 1), lon: near(like.meta.lon, 2) },
  });
}
for (const d of city.devices) d.silent = false;

let at = 0;
/** So many devices say something new. */
function tell(now, n) {
  for (let k = 0; k < n; k++) {
    const d = city.devices[(at = (at + STRIDE) % city.devices.length)];
    const main = d.meta.properties[0];
    d.value = city.round(main, city.reading(d, main, now));
    d.time = now;
    d.received = now;
    d.status = 1;
    d.seq = ++city.seq;
  }
}
tell(Date.now(), city.devices.length);

/** Open alerts, oldest first. */
const open = [];
let raised = 0;
function raise() {
  const d = city.devices[(raised * STRIDE + 13) % city.devices.length];
  raised += 1;
  open.push(city.raise(d, 'air.pm25', SEVERITIES[raised % SEVERITIES.length], 80, 50, 'µg/m³', `PM2,5 vượt ngưỡng tại ${d.meta.name.vi}`, `PM2.5 above the limit at ${d.meta.name.en}`, Date.now()));
}
for (let k = 0; k < ALERTS; k++) raise();
let turn = 0;
/** One raised, one acknowledged, one closed, in turn: as many stay open. */
function change() {
  turn += 1;
  if (turn % 3 === 0) raise();
  else if (turn % 3 === 1) city.acknowledge(open[open.length - 1 - (turn % 7)], 'lan', null);
  else {
    const a = open.shift();
    city.clear(a, Date.now(), 20);
    city.register.change(a, { work: 'closed', closed_at: Date.now() }, { action: 'close', actor: 'system', at: Date.now() });
    city.onAlert(a.row);
    city.alerts.delete(a.row.id);
  }
}

// The tiles of the mock walk all devices for each service; here they are made from a sample.
const tiles = city.tiles.bind(city);
let made = tiles();
const sent = { ticks: 0, rows: 0, changes: 0 };
city.tiles = () => made;
city.step = (now) => {
  const n = Math.round((RATE * TICK_MS) / 1000);
  tell(now, n);
  sent.ticks += 1;
  sent.rows += n;
  if (sent.ticks % 5 === 0) {
    for (const tile of made) tile.indicators.forEach((i, k) => { if (i.value !== null) i.value += Math.sin(sent.ticks + k) * 0.1; });
    made = made.map((t) => ({ ...t, newest: t.newest === null ? null : now }));
  }
};
setInterval(() => { change(); sent.changes += 1; }, 1000 / CHANGES);

console.log(JSON.stringify({ url: mock.url }));
process.stdin.on('data', () => console.log(JSON.stringify({ ...sent, open: open.length, devices: city.devices.length })));
process.stdin.on('end', () => process.exit(0));
