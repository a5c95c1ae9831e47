// Starting and ending the programs under test.
import { spawn, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import path from 'node:path';
import net from 'node:net';
import { chromium } from 'playwright-core';

const run = promisify(execFile);
const bin = (name) => path.join(process.env.BIN, name);

export async function freePort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export async function temporaryFolder() {
  const dir = await mkdtemp(path.join(tmpdir(), 'ioc-browser-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Starts `ioc run` and waits for its ready line; `more` are further options. */
export async function startIoc(data, mqttPort, httpPort, ...more) {
  const child = spawn(
    bin('ioc'),
    ['run', '--data', data, '--mqtt-listen', `127.0.0.1:${mqttPort}`, '--http-listen', `127.0.0.1:${httpPort}`, ...more],
    { stdio: ['ignore', 'pipe', process.env.IOC_TEST_LOG ? 'inherit' : 'ignore'] },
  );
  const ended = new Promise((done) => child.once('exit', done));
  let signin = null;
  const ready = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const at = line.indexOf('/signin?token=');
      if (at >= 0) signin = line.slice(at).split(/\s/)[0];
      if (line.startsWith('ready ')) resolve();
    });
    ended.then((code) => reject(new Error(`ioc ended with ${code} before it was ready`)));
  });
  await ready;
  const end = (signal) => async () => {
    child.kill(signal);
    await ended;
  };
  return { url: `http://127.0.0.1:${httpPort}`, signin, kill: end('SIGKILL'), stop: end('SIGTERM') };
}

/** Publishes one native observation at QoS 1 and returns when it is acknowledged. */
export async function publish(port, area, service, device, values) {
  await run('mosquitto_pub', [
    '-h', '127.0.0.1', '-p', String(port), '-q', '1', '-i', device,
    '-t', `ioc/v1/${area}/${service}/${device}/obs`,
    '-m', JSON.stringify({ time: Date.now(), values }),
  ]);
}

/** Starts the simulated city; `stop` ends it. */
export function startCity(mqttPort, ...more) {
  const child = spawn(bin('ioc-sim'), ['city', '--target', `mqtt://127.0.0.1:${mqttPort}`, ...more], { stdio: 'ignore' });
  const ended = new Promise((done) => child.once('exit', done));
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

export function launchBrowser() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}
