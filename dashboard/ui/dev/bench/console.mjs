// What the page costs: CPU of all processes of the browser, heap, nodes, frames.
//   make bench, or: npm run build && node dev/bench/console.mjs [--devices 10000 --rate 5000 --alerts 1000 --changes 5]
//     [--view console|device|explore] [--size 1600x900] [--warm 20] [--seconds 60] [--minutes 10]
//     [--still] [--profile] [--trace] [--shot FILE] [--dist dist]      --still: with reduced motion, nothing blinks
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
  warm: text('20'), seconds: text('60'), minutes: text('0'), still: { type: 'boolean', default: false }, profile: { type: 'boolean', default: false }, trace: { type: 'boolean', default: false }, shot: text(''), dist: text(process.env.IOC_UI_BUILT ?? join(here, '../../dist')),
} });
const [width, height] = arg.size.split('x').map(Number);
const SERIES = ['air-station-01:pm25', 'air-station-02:pm25', 'air-station-03:temperature', 'traffic-counter-01:speed', 'traffic-counter-02:traffic_flow', 'flood-tower-02:flood_depth', 'flood-tower-03:rain_intensity', 'camera-01:people_count'];
const VIEWS = { console: '?lang=vi', device: '?lang=vi&device=air-station-01', explore: `?lang=vi&screen=explore&series=${SERIES.join(',')}` };
/** Clock ticks of /proc in a second. */
const HZ = 100;
/** Longer than one and a half frames of 60 Hz: one was dropped. */
const LATE_MS = 25;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

const statOf = (path) => {
  const stat = readFileSync(`${path}/stat`, 'utf8');
  const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(f[1]), seconds: (Number(f[11]) + Number(f[12])) / HZ };
};

/** CPU seconds of a process and all below it, by kind of process, or of renderers by thread. */
function cpu(root, threads = false) {
  const rows = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      rows.set(Number(pid), statOf(`/proc/${pid}`));
    } catch {
      // It has just ended.
    }
  }
  const below = (pid) => pid === root || (rows.has(pid) && rows.get(pid).parent > 1 && below(rows.get(pid).parent));
  const used = {};
  const add = (kind, seconds) => { used[kind] = (used[kind] ?? 0) + seconds; };
  for (const [pid, row] of rows) {
    if (!below(pid)) continue;
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const kind = /--type=([\w-]+)/.exec(line)?.[1] ?? 'browser';
      const utility = /--utility-sub-type=(\w+)/.exec(line)?.[1];
      if (!threads) add(utility ?? kind, row.seconds);
      else if (kind === 'renderer') for (const tid of readdirSync(`/proc/${pid}/task`)) add(readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim(), statOf(`/proc/${pid}/task/${tid}`).seconds);
    } catch {
      if (!threads) add('ended', row.seconds);
    }
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
const context = await browser.newContext({ viewport: { width, height }, colorScheme: 'dark', reducedMotion: arg.still ? 'reduce' : 'no-preference' });
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

/** CPU of so many seconds as shares of a core: by kind of process, and of the renderer by thread. */
async function measure(seconds) {
  const [before, beforeThreads, then] = [cpu(root), cpu(root, true), performance.now()];
  await wait(seconds * 1000);
  const [after, afterThreads, took] = [cpu(root), cpu(root, true), (performance.now() - then) / 1000];
  const shares = (a, b) => Object.entries(b).map(([kind, n]) => [kind, ((n - (a[kind] ?? 0)) / took) * 100]).filter(([, n]) => n >= 0.05).sort((x, y) => y[1] - x[1]);
  const kinds = shares(before, after);
  return { all: kinds.reduce((sum, [, n]) => sum + n, 0), kinds, threads: shares(beforeThreads, afterThreads) };
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
const traced = [];
if (arg.trace) {
  cdp.on('Tracing.dataCollected', ({ value }) => traced.push(...value));
  await cdp.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories: ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'blink', 'cc', '__metadata'] } });
}
const share = await measure(Number(arg.seconds));
const [fedAfter, after] = [await fed(), await held()];
console.log(`sent       ${show((fedAfter.rows - fedBefore.rows) / Number(arg.seconds), 0)} rows/s in ${show((fedAfter.ticks - fedBefore.ticks) / Number(arg.seconds))} frames/s, ${show((fedAfter.changes - fedBefore.changes) / Number(arg.seconds))} alert changes/s, ${fedAfter.open} open`);
const list = (shares) => shares.map(([kind, n]) => `${kind} ${show(n)}`).join(', ');
console.log(`cpu        ${show(share.all)} % of a core: ${list(share.kinds)}`);
console.log(`renderer   ${list(share.threads)}`);
if (arg.trace) {
  const done = new Promise((told) => cdp.once('Tracing.tracingComplete', told));
  await cdp.send('Tracing.end');
  await done;
  busiest(traced);
}
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

/** What the main thread of the page did: CPU time of each kind of work without what is inside it. */
function busiest(events) {
  const main = events.filter((e) => e.ph === 'M' && e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid}:${e.tid}`);
  const self = new Map();
  for (const thread of main) {
    const open = [];
    for (const e of events.filter((x) => x.ph === 'X' && `${x.pid}:${x.tid}` === thread).sort((a, b) => a.ts - b.ts || b.dur - a.dur)) {
      while (open.length > 0 && open.at(-1).ts + open.at(-1).dur <= e.ts) open.pop();
      const cost = e.tdur ?? 0;
      const add = (name, us, n) => { const was = self.get(name) ?? [0, 0]; self.set(name, [was[0] + us, was[1] + n]); };
      add(e.name, cost, 1);
      if (open.length > 0) add(open.at(-1).name, -cost, 0);
      open.push(e);
    }
  }
  for (const [name, [us, n]] of [...self].sort((a, b) => b[1][0] - a[1][0]).slice(0, 25)) console.log(`  ${show(us / Number(arg.seconds) / 1e4, 2).padStart(6)} %  ${name} (${n})`);
}

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
