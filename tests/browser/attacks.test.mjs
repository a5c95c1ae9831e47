// What a page elsewhere can do to somebody who is signed in here, in the same browser: nothing.
// Chromium, the real program, a victim's session, and a server of the attacker on another port,
// reached by another name too.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { chromium } from 'playwright-core';
import { freePort, startIoc, temporaryFolder } from './programs.mjs';

let ioc;
let folder;
let browser;
let context;
let victim;
let evil;
let evilUrl;
let evilName;
let rebound;
let routes;
/** What reached the attacker: nothing may. */
const loot = [];

before(async () => {
  folder = await temporaryFolder();
  const [mqtt, port] = [await freePort(), await freePort()];
  ioc = await startIoc(folder.dir, mqtt, port);
  evil = http.createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      if (req.url.startsWith('/loot')) loot.push(req.url + body);
      res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'access-control-allow-origin': '*' });
      res.end('<!doctype html><title>evil</title><body>You have won a prize.</body>');
    });
  });
  await new Promise((done) => evil.listen(0, '127.0.0.1', done));
  evilUrl = `http://127.0.0.1:${evil.address().port}`;
  evilName = `http://evil.example:${evil.address().port}`;
  // A name of the attacker's that has come to mean our address (DNS rebinding).
  rebound = `http://rebound.example:${port}`;
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1'],
  });
  context = await browser.newContext();
  victim = await context.newPage();
  await victim.goto(ioc.url + ioc.signin);
  routes = await victim.evaluate(async () => {
    const document_ = await (await fetch('/api/v1/openapi.json')).json();
    return Object.entries(document_.paths).flatMap(([path, methods]) => Object.keys(methods).map((m) => [m.toUpperCase(), path]));
  });
});
after(async () => {
  await browser?.close();
  await ioc?.stop();
  evil?.closeAllConnections();
  evil?.close();
  await folder?.remove();
});

/** All that an attack could change, as the victim sees it. */
const state = () => victim.evaluate(async () => {
  const read = async (path) => {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : answer.status;
  };
  const who = await read('/api/v1/session');
  const rest = await Promise.all(['/api/v1/alerts', '/api/v1/holds?ended=1', '/api/v1/shifts', '/api/v1/registry', '/api/v1/rules', '/api/v1/people', '/api/v1/account/tokens', '/api/v1/walls'].map(read));
  return JSON.stringify([who.user, who.grants, rest], (k, v) => (['seen', 'as_of', 'change', 'expires', 'used'].includes(k) ? undefined : v));
});
const page = async (url) => {
  const p = await context.newPage();
  await p.goto(url);
  return p;
};
const target = (path) => ioc.url + path.replaceAll(/\{[^}]+\}/g, '1');
// Browsers report violations there of their own, from any page; it needs no session and only counts.
const OPEN_TO_ALL = '/api/v1/csp';
const changing = () => routes.filter(([method, path]) => method !== 'GET' && path.startsWith('/') && path !== OPEN_TO_ALL);

test('CSRF on every state-changing route: forms, fetch in all modes, beacon, image: all refused, nothing changed', { timeout: 300_000 }, async (t) => {
  const list = changing();
  assert.ok(list.length >= 20, `only ${list.length} routes change something`);
  const before_ = await state();
  const body = JSON.stringify({ user: 'evil', name: 'evil', password: 'evil', grants: [{ role: 'administrator' }], reason: 'evil evil evil', action: 'acknowledge', label: 'evil' });
  let attempts = 0;
  let readable = 0;
  let unexpected = [];
  for (const from of [evilUrl, evilName]) {
    const attacker = await page(from);
    const answers = [];
    attacker.on('response', (r) => { if (r.url().startsWith(ioc.url)) answers.push([r.request().method(), r.status(), r.url()]); });
    for (const [method, path] of list) {
      const result = await attacker.evaluate(async ({ url, method, body }) => {
        let n = 0;
        let read = 0;
        const tries = [];
        for (const mode of ['no-cors', 'cors', 'same-origin']) {
          for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
            const headers = { 'content-type': type };
            if (mode === 'cors') headers['x-ioc-request'] = '1';
            tries.push(fetch(url, { method: mode === 'no-cors' ? 'POST' : method, mode, credentials: 'include', headers, body }).then((r) => { if (r.type !== 'opaque') read += 1; }, () => {}));
            n += 1;
          }
        }
        await Promise.all(tries);
        navigator.sendBeacon(url, new Blob([body], { type: 'text/plain' }));
        new Image().src = `${url}?evil=1`;
        n += 2;
        return { n, read };
      }, { url: target(path), method, body });
      attempts += result.n;
      readable += result.read;
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      for (const [, path] of list) {
        // A form in a frame: a top-level one would leave the page.
        await attacker.evaluate(({ url, type, body }) => new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.name = `f${Math.random()}`;
          const form = Object.assign(document.createElement('form'), { action: url, method: 'post', enctype: type, target: frame.name });
          form.append(Object.assign(document.createElement('input'), { name: body.slice(0, -1), value: '}' }));
          document.body.append(frame, form);
          let loads = 0;
          const end = () => { frame.remove(); form.remove(); done(); };
          frame.onload = () => { if (++loads >= 1) setTimeout(end, 10); };
          setTimeout(end, 1000);
          form.submit();
        }), { url: target(path), type, body });
        attempts += 1;
      }
    }
    // One at the top, where a browser sends cookies most willingly.
    await attacker.evaluate(({ url, body }) => {
      const form = Object.assign(document.createElement('form'), { action: url, method: 'post', enctype: 'text/plain' });
      form.append(Object.assign(document.createElement('input'), { name: body, value: '' }));
      document.body.append(form);
      form.submit();
    }, { url: target('/api/v1/shifts/log'), body });
    await attacker.waitForLoadState();
    attempts += 1;
    unexpected = unexpected.concat(answers.filter(([method, status]) => (method !== 'GET' && status < 400) || status >= 500));
    await attacker.close();
  }
  t.diagnostic(`${attempts} forged requests to ${list.length} state-changing routes from 2 origins: ${readable} answers readable, ${unexpected.length} accepted`);
  assert.equal(readable, 0);
  assert.deepEqual(unexpected.slice(0, 5), []);
  assert.equal(await state(), before_, 'nothing has changed');
});

test('a socket from another origin is refused, also with the victim’s cookie', async (t) => {
  let n = 0;
  for (const from of [evilUrl, evilName]) {
    const attacker = await page(from);
    for (const path of ['/ws', '/mqtt']) {
      for (const protocols of [[], ['mqtt']]) {
        const got = await attacker.evaluate(({ url, protocols }) => new Promise((done) => {
          const ws = new WebSocket(url, protocols);
          ws.onopen = () => done('open');
          ws.onmessage = () => done('message');
          ws.onerror = () => done('refused');
        }), { url: ioc.url.replace('http', 'ws') + path, protocols });
        assert.equal(got, 'refused', `${path} from ${from}`);
        n += 1;
      }
    }
    await attacker.close();
  }
  t.diagnostic(`${n} sockets from elsewhere, 0 opened`);
});

test('the page and every answer refuse to be framed, and give no window to an opener', async (t) => {
  const attacker = await page(evilUrl);
  const paths = ['/', '/?screen=people', '/wall', '/api/v1/session', '/api/v1/openapi.json', '/healthz', '/api/v1/shifts/handover.html'];
  for (const path of paths) {
    for (const tag of ['iframe', 'object', 'embed']) {
      const seen = await attacker.evaluate(({ url, tag }) => new Promise((done) => {
        const frame = document.createElement(tag);
        frame[tag === 'object' ? 'data' : 'src'] = url;
        const tell = () => {
          // A refused frame holds the browser's error page: never ours, and never readable.
          let inside = 'closed';
          try { inside = frame.contentDocument?.title ?? 'closed'; } catch { inside = 'closed'; }
          done(inside);
        };
        frame.onload = tell;
        frame.onerror = tell;
        setTimeout(tell, 1500);
        document.body.append(frame);
      }), { url: ioc.url + path, tag });
      assert.ok(['closed', ''].includes(seen), `${tag} ${path}: ${seen}`);
    }
  }
  const shown = attacker.frames().filter((f) => f !== attacker.mainFrame());
  for (const f of shown) assert.equal(await f.evaluate(() => document.querySelector('#app, pre') !== null && location.protocol !== 'chrome-error:').catch(() => false), false, f.url());
  // An opened window: cross-origin opener policy cuts the link.
  const [popup] = await Promise.all([context.waitForEvent('page'), attacker.evaluate((url) => { window.w = window.open(url); }, ioc.url)]);
  await popup.waitForLoadState();
  const reach = await attacker.evaluate(() => {
    const tried = [];
    for (const get of [() => window.w.document.body, () => window.w.location.href, () => window.w.localStorage]) {
      try { get(); tried.push('reached'); } catch { tried.push('refused'); }
    }
    return { closed: window.w.closed, tried };
  });
  assert.ok(reach.closed || reach.tried.every((x) => x === 'refused'), JSON.stringify(reach));
  assert.equal(await popup.evaluate(() => window.opener), null, 'no opener');
  await popup.close();
  await attacker.close();
  t.diagnostic(`${paths.length * 3} frames, 1 opened window: 0 readable`);
});

test('nothing can be read from elsewhere: fetch, script inclusion, style, worker, canvas', async (t) => {
  const attacker = await page(evilName);
  let n = 0;
  for (const [method, path] of routes.filter(([m]) => m === 'GET')) {
    const read = await attacker.evaluate(async (url) => {
      const out = [];
      for (const init of [{ credentials: 'include' }, { mode: 'cors', credentials: 'include', headers: { accept: 'application/json' } }, { mode: 'no-cors', credentials: 'include' }]) {
        await fetch(url, init).then(async (r) => { if (r.type !== 'opaque' && (await r.text()) !== '') out.push('fetch'); }, () => {});
      }
      const names = new Set(Object.getOwnPropertyNames(window));
      await new Promise((done) => {
        const s = Object.assign(document.createElement('script'), { src: `${url}${url.includes('?') ? '&' : '?'}callback=stolen`, onload: () => { out.push('script'); done(); }, onerror: done });
        setTimeout(done, 700);
        document.head.append(s);
      });
      for (const name of Object.getOwnPropertyNames(window)) if (!names.has(name)) out.push(`global ${name}`);
      return out;
    }, target(path));
    assert.deepEqual(read, [], `${method} ${path}`);
    n += 4;
  }
  await attacker.close();
  t.diagnostic(`${n} attempts to read, 0 read`);
});

test('a rebound name reaches neither data nor page', async (t) => {
  const attacker = await page(evilName);
  const statuses = [];
  for (const path of ['/', '/api/v1/session', '/api/v1/openapi.json', '/api/v1/alerts']) {
    const answer = await attacker.goto(rebound + path);
    statuses.push(answer.status());
    assert.ok(answer.status() >= 400 && answer.status() < 500, `${path}: ${answer.status()}`);
    assert.doesNotMatch(await answer.text(), /openapi|id="app"/);
  }
  await attacker.close();
  t.diagnostic(`a rebound name: ${statuses.join(', ')}`);
});

test('the attacker has received nothing', () => {
  assert.deepEqual(loot, []);
});
