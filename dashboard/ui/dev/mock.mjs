// A small server that speaks docs/protocol.md, for developing the page without the rest of ioc:
//   npm run build && npm run mock [-- --port 8080 --scene busy|calm --dist dist]
// The city is real (boundaries and names), its readings are synthetic. It is no part of the product.
// It serves the built page with the content security policy that the page needs. Sign in with
// operator / operator or viewer / viewer.
import { createServer } from 'node:http';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { makeCity } from './city.mjs';
import { Fleet, fleet } from './fleet.mjs';
import { past } from './past.mjs';
import { People, people } from './people.mjs';
import { alerts } from './routes.mjs';

const here = dirname(fileURLToPath(import.meta.url));
/** Parts of the API in files of their own: `routes({ city, me, path, query, req, body, error })` gives `[status, json]` or null. */
const PARTS = await Promise.all(readdirSync(join(here, 'mock')).sort().map((file) => import(`./mock/${file}`)));
// As in dashboard/src/reply.rs.
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; " +
  "base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.png': 'image/png' };

export function startMock({ port = 0, dist = join(here, '../dist'), scene = 'busy', quiet = false, twist = (json) => json, tiles = null } = {}) {
  const city = makeCity(scene);
  // Configured tiles, and the policy that lets only their host in, as dashboard/src/api/tiles.rs does.
  const csp = tiles === null || tiles.raster.startsWith('/') ? CSP : CSP.replace("img-src 'self' data:", `img-src 'self' data: ${new URL(tiles.raster).origin}`);
  const registry = new Fleet(city);
  const accounts = new People();
  const sessions = accounts.sessions;
  let epoch = (Date.now() / 1000) >>> 0;
  const clients = new Set();
  let muted = false;
  let build = 'mock';
  let flood = null;

  const sessionOf = (req) => sessions.get(/ioc_session=([0-9a-f]+)/.exec(req.headers.cookie ?? '')?.[1] ?? '');
  const error = (code, message, more = {}) => ({ code, message, request_id: randomBytes(4).toString('hex'), ...more });

  async function body(req) {
    const parts = [];
    for await (const part of req) parts.push(part);
    return JSON.parse(Buffer.concat(parts).toString() || '{}');
  }

  async function api(req, url) {
    const path = url.pathname.slice('/api/v1/'.length);
    const me = sessionOf(req);
    const ours = await people({ accounts, me, path, query: url.searchParams, req, body: () => body(req), error });
    if (ours) return ours;
    for (const part of PARTS) {
      const answer = await part.routes({ city, me, path, query: url.searchParams, req, body: () => body(req), error });
      if (answer) return answer;
    }
    if (path === 'city') return [200, { ...city.city(), ...(tiles === null ? {} : { tiles }) }];
    if (path === 'map') return [200, city.map()];
    if (path === 'devices') return [200, { rev: 1, devices: city.devices.map((d) => d.meta) }];
    if (path === 'services') return [200, { services: city.tiles() }];
    if (path === 'rules') return [200, { rules: city.rules }];
    if (path === 'status') return [200, { version: 'mock', clock: 'wall' }];
    let m = /^devices\/([^/]+)$/.exec(path);
    if (m) {
      const d = city.detail(decodeURIComponent(m[1]));
      return d ? [200, d] : [404, error('not_found', 'no such device')];
    }
    const registered = await fleet({ fleet: registry, me, path, query: url.searchParams, req, body: () => body(req), error });
    if (registered) return registered;
    const known = await past({ city, me, path, query: url.searchParams, req, body: () => body(req), error });
    if (known) return known;
    const answer = await alerts({ city, me, path, query: url.searchParams, req, body: () => body(req), error });
    if (answer) return answer;
    return [404, error('not_found', 'no such route')];
  }

  function file(res, path) {
    // A deep link may have dots in its id.
    const name = normalize(path === '/' || !extname(path) || /^\/[ard]\//.test(path) ? '/index.html' : path);
    const full = join(dist, name);
    if (!existsSync(full)) {
      res.writeHead(404).end('not found');
      return;
    }
    const data = readFileSync(full);
    res.writeHead(200, { 'content-type': TYPES[extname(full)] ?? 'application/octet-stream', 'content-security-policy': csp, etag: `"${createHash('sha256').update(data).digest('hex').slice(0, 16)}"` });
    res.end(data);
  }

  const server = createServer(async (req, res) => {
    const url = new URL(req.url, 'http://mock');
    if (/^\/(open|sensorthings)(\/|$)/.test(url.pathname)) {
      const there = url.pathname.startsWith('/sensorthings') || city.past.openData;
      res.writeHead(there ? 200 : 404, { 'content-type': 'application/json' });
      return res.end(req.method === 'HEAD' ? '' : '{}');
    }
    if (url.pathname === '/healthz') return res.writeHead(200).end('ok');
    if (!url.pathname.startsWith('/api/')) return file(res, url.pathname);
    try {
      const [status, json, headers = {}] = await api(req, url);
      // The work is done, the answer gets lost: what a dying link does.
      if (req.method === 'POST' && url.pathname.includes('/alerts/') && city.register.lose > 0) {
        city.register.lose -= 1;
        return req.socket.destroy();
      }
      const answer = twist(json, url.pathname);
      res.writeHead(status, { 'content-type': 'application/json', ...headers });
      // A text is a file.
      res.end(answer === null ? '' : typeof answer === 'string' ? answer : JSON.stringify(answer));
    } catch (e) {
      res.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(error('internal', String(e))));
    }
  });

  const wss = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => {
    const me = sessionOf(req);
    if (!me || req.url !== '/ws') return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    wss.handleUpgrade(req, socket, head, (ws) => live(ws, me));
  });

  function live(ws, me) {
    const client = { ws, sent: 0, on: false };
    clients.add(client);
    ws.on('close', () => clients.delete(client));
    if (muted) return;
    ws.send(JSON.stringify({ t: 'hello', proto: 1, epoch, seq: city.seq, rev: 1, server_ms: Date.now(), tick_ms: 200, user: me.user, role: me.role, build }));
    ws.on('message', (data) => {
      const m = JSON.parse(String(data));
      if (m.t !== 'sub') return;
      const resume = m.resume;
      client.on = true;
      client.sent = resume?.epoch === epoch ? resume.seq : -1;
      ws.send(JSON.stringify(twist({ t: 'tiles', tiles: city.tiles() }, '/ws')));
      const rows = resume ? [...city.alerts.values()].map((a) => a.row).filter((r) => r.change > resume.change) : city.open();
      ws.send(JSON.stringify(twist({ t: 'alerts', change: city.change, rows }, '/ws')));
      if (flood) ws.send(JSON.stringify(flood));
      push(client);
    });
  }

  const broadcast = (message) => {
    if (muted) return;
    for (const c of clients) if (c.on) c.ws.send(JSON.stringify(twist(message, '/ws')));
  };

  function push(client) {
    const snapshot = client.sent < 0;
    const rows = city.devices.filter((d) => snapshot || d.seq > client.sent);
    client.sent = city.seq;
    if (rows.length > 0 || snapshot) client.ws.send(city.frame(snapshot ? 0 : 1, epoch, rows));
  }

  const timers = [
    setInterval(() => {
      city.step(Date.now());
      if (!muted) for (const c of clients) if (c.on) push(c);
    }, 200),
    setInterval(() => {
      if (muted) return;
      for (const c of clients) c.ws.send(city.heartbeat(epoch));
      broadcast({ t: 'tiles', tiles: city.tiles() });
    }, 1000),
  ];
  city.onAlert = (row) => broadcast({ t: 'alerts', change: city.change, rows: [row] });

  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`;
      if (!quiet) console.log(`mock ${url} (operator / operator)`);
      resolve({
        url, city, registry, accounts,
        /** The build of the page that the next greetings name. */
        set build(name) { build = name; },
        /** Keeps the sockets but sends nothing more, as a dead network does. */
        mute(on) { muted = on; },
        /** An alarm flood begins or ends. */
        flood(on, raised = 37) { flood = on ? { t: 'flood', on, raised, positions: 1 } : null; broadcast(flood ?? { t: 'flood', on: false, raised, positions: 1 }); },
        drop() { for (const c of clients) c.ws.terminate(); },
        /** As a new process: no sequence of the one before means anything. */
        restart() { epoch += 1; for (const c of clients) c.ws.terminate(); },
        close() { timers.forEach(clearInterval); for (const c of clients) c.ws.terminate(); server.closeAllConnections(); return new Promise((done) => server.close(done)); },
      });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const arg = (name, otherwise) => {
    const i = process.argv.indexOf(`--${name}`);
    return i < 0 ? otherwise : process.argv[i + 1];
  };
  await startMock({ port: Number(arg('port', '8080')), scene: arg('scene', 'busy'), dist: arg('dist', join(here, '../dist')) });
}
