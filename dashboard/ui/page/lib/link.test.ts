import { describe, expect, it } from 'vitest';
import { backoff, DEAD_MS, Link, type Resume, type Socket } from './link';

class Fake implements Socket {
  binaryType = '';
  onopen = null;
  onmessage: ((e: { data: unknown }) => void) | null = null;
  onclose: ((e: never) => void) | null = null;
  sent: { t: string; hz: number; resume: Resume | null }[] = [];
  closed = false;
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  hello() {
    this.say({ t: 'hello', proto: 1, epoch: 7, seq: 1, rev: 1, server_ms: 0, tick_ms: 200, user: 'u', role: 'operator', build: 'b' });
  }
  say(json: object) {
    this.onmessage?.({ data: JSON.stringify(json) });
  }
}

function rig() {
  const sockets: Fake[] = [];
  const log: string[] = [];
  const state = { now: 1_000_000, resume: null as Resume | null };
  const link = new Link({
    open: () => {
      const s = new Fake();
      sockets.push(s);
      return s;
    },
    now: () => state.now,
    random: () => 0.5,
    handlers: {
      hello: () => log.push('hello'),
      frame: () => log.push('frame'),
      json: (m) => log.push(m.t),
      closed: (opened) => log.push(opened ? 'closed' : 'refused'),
      resume: () => state.resume,
    },
  });
  link.start();
  return { link, sockets, log, state, last: () => sockets.at(-1) as Fake };
}

describe('link', () => {
  it('subscribes after hello and resumes where it was', () => {
    const { state, last, log, link } = rig();
    last().hello();
    expect(last().sent).toEqual([{ t: 'sub', topics: ['state', 'tiles', 'alerts'], hz: 5, resume: null }]);
    state.resume = { epoch: 7, seq: 42, change: 9 };
    last().onclose?.(undefined as never);
    state.now += 500;
    link.tick();
    last().hello();
    expect(last().sent[0]?.resume).toEqual({ epoch: 7, seq: 42, change: 9 });
    expect(log).toEqual(['hello', 'closed', 'hello']);
  });

  it('takes five silent seconds for a dead socket, and comes back', () => {
    const { link, sockets, state, last } = rig();
    last().hello();
    state.now += DEAD_MS;
    link.tick();
    expect(sockets).toHaveLength(1);
    state.now += 1;
    link.tick();
    expect(sockets[0]?.closed).toBe(true);
    state.now += 500;
    link.tick();
    expect(sockets).toHaveLength(2);
  });

  it('gives up a handshake that hangs', () => {
    const { link, sockets, state, log } = rig();
    state.now += DEAD_MS + 1;
    link.tick();
    expect(sockets[0]?.closed).toBe(true);
    expect(log).toEqual(['refused']);
  });

  it('waits longer each time, up to fifteen seconds, never in step with others', () => {
    expect([0, 1, 2, 3, 4, 5, 60].map((n) => Math.round(backoff(n, 0.5)))).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    expect(backoff(0, 0)).toBeCloseTo(350);
    expect(backoff(9, 1)).toBeCloseTo(19_500);
  });

  it('does not wait when the network comes back', () => {
    const { link, sockets, state, last } = rig();
    for (let i = 0; i < 6; i++) {
      last().onclose?.(undefined as never);
      state.now += 30_000;
      link.tick();
    }
    last().onclose?.(undefined as never);
    const before = sockets.length;
    link.nudge();
    expect(sockets).toHaveLength(before + 1);
  });

  it('hears nothing from a socket that it has left', () => {
    const { link, sockets, state, last, log } = rig();
    const old = last();
    old.hello();
    const late = old.onmessage;
    state.now += DEAD_MS + 1;
    link.tick();
    state.now += 500;
    link.tick();
    expect(sockets).toHaveLength(2);
    log.length = 0;
    late?.({ data: '{"t":"alerts"}' });
    expect(log).toEqual([]);
  });

  it('survives messages that it does not understand, and counts them', () => {
    const { link, last, log } = rig();
    last().hello();
    const quiet = console.warn;
    console.warn = () => {};
    last().onmessage?.({ data: '{"t":' });
    last().onmessage?.({ data: new ArrayBuffer(3) });
    console.warn = quiet;
    last().say({ t: 'tiles' });
    expect(link.broken).toBe(2);
    expect(log).toEqual(['hello', 'tiles']);
  });
});
