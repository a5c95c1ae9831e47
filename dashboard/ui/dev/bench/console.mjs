// What the page costs: CPU of all processes of the browser, heap, nodes, frames.
//   npm run build && node dev/bench/console.mjs [--devices 10000 --rate 5000 --alerts 1000 --changes 5]
//     [--view console|device|explore] [--size 1600x900] [--warm 20] [--seconds 60] [--minutes 10]
//     [--profile] [--shot FILE] [--dist dist]
// The feeder is another process and is not counted. Goal (issue 8): at most 15 % of a core.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const text = (otherwise) => ({ type: 'string', default: otherwise });
const { values: arg } = parseArgs({ options: {
  devices: text('10000'), rate: text('5000'), alerts: text('1000'), changes: text('5'), view: text('console'), size: text('1600x900'),
  warm: text('20'), seconds: text('60'), minutes: text('0'), profile: { type: 'boolean', default: false }, shot: text(''), dist: text(process.env.IOC_UI_BUILT ?? join(here, '../../dist')),
} });
const [width, height] = arg.size.split('x').map(Number);
const SERIES = ['air-station-01:pm25', 'air-station-02:pm25', 'air-station-03:temperature', 'traffic-counter-01:speed', 'traffic-counter-02:traffic_flow', 'flood-tower-02:flood_depth', 'flood-tower-03:rain_intensity', 'camera-01:people_count'];
const VIEWS = { console: '?lang=vi', device: '?lang=vi&device=air-station-01', explore: `?lang=vi&screen=explore&series=${SERIES.join(',')}` };
/** Clock ticks of /proc in a second. */
const HZ = 100;
/** Longer than one and a half frames of 60 Hz: one was dropped. */
const LATE_MS = 25;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** CPU seconds of a process and all below it, by kind. */
function cpu(root) {
  const rows = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      rows.set(Number(pid), { parent: Number(f[1]), ticks: Number(f[11]) + Number(f[12]) });
    } catch {
      // It has just ended.
    }
  }
  const below = (pid) => pid === root || (rows.has(pid) && rows.get(pid).parent > 1 && below(rows.get(pid).parent));
  const used = {};
  for (const [pid, row] of rows) {
    if (!below(pid)) continue;
    let kind = 'browser';
    try {
      kind = /--type=([\w-]+)(?:.*--utility-sub-type=(\w+))?/s.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '))?.slice(1).filter(Boolean).join(' ') ?? 'browser';
    } catch {
      // Counted all the same.
    }
    used[kind] = (used[kind] ?? 0) + row.ticks / HZ;
  }
  return used;
}

const feeder = spawn(process.execPath, [join(here, 'feeder.mjs'), '--dist', arg.dist, ...['devices', 'rate', 'alerts', 'changes'].flatMap((n) => [`--${n}`, arg[n]])], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: feeder.stdout })[Symbol.asyncIterator]();
const told = async () => JSON.parse((await lines.next()).value);
const { url } = await told();
const fed = () => { feeder.stdin.write('\n'); return told(); };

const server = await chromium.launchServer({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true,
  args: ['--no-sandbox', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const root = server.process().pid;
const browser = await chromium.connect(server.wsEndpoint());
const context = await browser.newContext({ viewport: { width, height }, colorScheme: 'dark' });
const page = await context.newPage();
const problems = [];
page.on('pageerror', (e) => problems.push(String(e)));
const cdp = await context.newCDPSession(page);

await page.goto(`${url}/${VIEWS[arg.view]}`);
await page.getByTestId('login-user').fill('operator');
await page.getByTestId('login-password').fill('operator');
await page.getByTestId('login-password').press('Enter');
await page.locator('[data-testid=link-state][data-state=live]').waitFor();
await page.mouse.move(700, 5);
await wait(Number(arg.warm) * 1000);

/** Heap after a collection, MB, and what the page holds. */
async function held() {
  await cdp.send('HeapProfiler.collectGarbage');
  const { usedSize } = await cdp.send('Runtime.getHeapUsage');
  const { nodes, jsEventListeners } = await cdp.send('Memory.getDOMCounters');
  return { heap: usedSize / 1e6, nodes, listeners: jsEventListeners };
}

/** CPU of so many seconds as a share of a core, by kind of process. */
async function measure(seconds) {
  const [before, then] = [cpu(root), performance.now()];
  await wait(seconds * 1000);
  const [after, took] = [cpu(root), (performance.now() - then) / 1000];
  const share = Object.fromEntries(Object.keys(after).map((kind) => [kind, ((after[kind] - (before[kind] ?? 0)) / took) * 100]));
  share.all = Object.values(share).reduce((a, b) => a + b, 0);
  return share;
}

/** Frames of ten seconds. Asking for each one costs CPU itself, so nothing else is measured then. */
const frames = () => page.evaluate((late) => new Promise((done) => {
  const gaps = [];
  let last = 0;
  const begun = performance.now();
  const frame = (now) => {
    if (last > 0) gaps.push(now - last);
    last = now;
    if (now - begun < 10_000) requestAnimationFrame(frame);
    else {
      gaps.sort((a, b) => a - b);
      done({ fps: gaps.length / 10, p50: gaps[gaps.length >> 1], p95: gaps[Math.floor(gaps.length * 0.95)], late: gaps.filter((g) => g > late).length });
    }
  };
  requestAnimationFrame(frame);
}), LATE_MS);

const show = (n, digits = 1) => n.toFixed(digits);
console.log(`${arg.devices} devices, ${arg.rate} updates/s, ${arg.alerts} alerts, ${arg.changes} changes/s, ${arg.view}, ${arg.size}`);
const [fedBefore, before] = [await fed(), await held()];
if (arg.profile) await cdp.send('Profiler.enable').then(() => cdp.send('Profiler.start'));
const share = await measure(Number(arg.seconds));
const [fedAfter, after] = [await fed(), await held()];
console.log(`sent       ${show((fedAfter.rows - fedBefore.rows) / Number(arg.seconds), 0)} rows/s in ${show((fedAfter.ticks - fedBefore.ticks) / Number(arg.seconds))} frames/s, ${show((fedAfter.changes - fedBefore.changes) / Number(arg.seconds))} alert changes/s, ${fedAfter.open} open`);
console.log(`cpu        ${show(share.all)} % of a core: ${Object.entries(share).filter(([kind, n]) => kind !== 'all' && n >= 0.05).sort((a, b) => b[1] - a[1]).map(([kind, n]) => `${kind} ${show(n)}`).join(', ')}`);
if (arg.profile) hottest((await cdp.send('Profiler.stop')).profile);
if (arg.shot) await page.screenshot({ path: arg.shot });
const fps = await frames();
console.log(`frames     ${show(fps.fps)} a second, p50 ${show(fps.p50)} ms, p95 ${show(fps.p95)} ms, ${fps.late} of ${show(fps.fps * 10, 0)} late`);
const row = (when, h) => console.log(`${when.padEnd(10)} heap ${show(h.heap, 2)} MB, ${h.nodes} nodes, ${h.listeners} listeners`);
row('before', before);
row('after', after);
for (let minute = 1; minute <= Number(arg.minutes); minute++) {
  await wait(60_000);
  row(`+${minute} min`, await held());
}
if (problems.length > 0) console.log(`PROBLEMS   ${problems.join('\n           ')}`);

/** Functions by the time spent in themselves. */
function hottest(profile) {
  const self = new Map();
  const byId = new Map(profile.nodes.map((n) => [n.id, n]));
  profile.samples.forEach((id, i) => {
    const { functionName, url: file, lineNumber, columnNumber } = byId.get(id).callFrame;
    const name = `${functionName || '(anonymous)'} ${file.split('/').at(-1)}:${lineNumber + 1}:${columnNumber}`;
    self.set(name, (self.get(name) ?? 0) + profile.timeDeltas[i]);
  });
  const all = (profile.endTime - profile.startTime) / 100;
  for (const [name, us] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 30)) console.log(`  ${show(us / all, 2).padStart(6)} %  ${name}`);
}

await browser.close();
await server.close();
feeder.stdin.end();
await once(feeder, 'exit');
process.exit(problems.length > 0 ? 1 : 0);
