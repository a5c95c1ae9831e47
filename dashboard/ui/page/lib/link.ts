// The WebSocket: connects, subscribes, resumes, notices silence, comes back.
// It knows nothing of the screen; times come from `now` so that tests need no clock.
import { decode, HEARTBEAT, type Frame } from './wire';

export interface Hello {
  proto: number; epoch: number; seq: number; rev: number; server_ms: number; tick_ms: number;
  user: string; role: string; build: string;
}
export interface Resume { epoch: number; seq: number; change: number }

export interface Handlers {
  /** Called on each connection before anything else. */
  hello(hello: Hello): void;
  frame(frame: Frame): void;
  json(message: { t: string } & Record<string, unknown>): void;
  /** The connection is gone; `opened` tells whether it had ever said hello. */
  closed(opened: boolean): void;
  /** What to ask for on the next subscription. */
  resume(): Resume | null;
}

/** The part of WebSocket that is used; tests put their own in its place. */
export interface Socket {
  binaryType: string;
  onopen: ((e: never) => void) | null;
  onmessage: ((e: { data: unknown }) => void) | null;
  onclose: ((e: never) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface LinkOptions {
  open: () => Socket;
  handlers: Handlers;
  now?: () => number;
  random?: () => number;
}

/** Nothing for this long and the socket is taken for dead: the server beats each second. */
export const DEAD_MS = 5000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** Wait before attempt `n` (from 0): 0.5 s doubling to 15 s, times 0.7 to 1.3. */
export function backoff(n: number, random: number): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(n, 10)) * (0.7 + 0.6 * random);
}

export class Link {
  /** Client time of the newest message of any kind; 0 before the first. */
  lastHeard = 0;
  /** Frames that broke the contract, and messages that were not JSON. */
  broken = 0;
  private readonly opts: LinkOptions;
  private readonly now: () => number;
  private readonly random: () => number;
  private socket: Socket | null = null;
  private saidHello = false;
  private attempt = 0;
  private retryAt: number | null = null;
  private startedAt = 0;
  private hz = 5;
  private stopped = true;

  constructor(opts: LinkOptions) {
    this.opts = opts;
    this.now = opts.now ?? (() => Date.now());
    this.random = opts.random ?? Math.random;
  }

  get connected(): boolean {
    return this.saidHello;
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.retryAt = null;
    this.drop();
  }

  /** To be called about each second: the watchdog and the retry timer in one. */
  tick(): void {
    if (this.stopped) return;
    const now = this.now();
    if (this.socket !== null) {
      const since = Math.max(this.startedAt, this.lastHeard);
      if (now - since > DEAD_MS) this.lost();
    } else if (this.retryAt !== null && now >= this.retryAt) {
      this.connect();
    }
  }

  /** The machine woke up, the network came back: do not wait for the timer. */
  nudge(): void {
    if (this.stopped) return;
    if (this.socket === null) {
      this.attempt = 0;
      this.connect();
    } else if (this.now() - Math.max(this.startedAt, this.lastHeard) > 3000) {
      this.attempt = 0;
      this.lost();
    }
  }

  /** Asks for another rate. */
  rate(hz: number): void {
    if (hz === this.hz) return;
    this.hz = hz;
    if (this.saidHello) this.subscribe(this.opts.handlers.resume());
  }

  /** Asks again, with what `resume` says now. */
  resubscribe(): void {
    if (this.saidHello) this.subscribe(this.opts.handlers.resume());
  }

  private connect(): void {
    this.retryAt = null;
    this.startedAt = this.now();
    const socket = this.opts.open();
    this.socket = socket;
    this.saidHello = false;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (e) => {
      if (this.socket === socket) this.heard(e.data);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
  }

  private heard(data: unknown): void {
    this.lastHeard = this.now();
    try {
      if (data instanceof ArrayBuffer) {
        const frame = decode(data);
        if (frame !== null && (this.saidHello || frame.kind === HEARTBEAT)) this.opts.handlers.frame(frame);
        return;
      }
      const message = JSON.parse(String(data)) as { t: string } & Record<string, unknown>;
      if (message.t === 'hello') {
        this.saidHello = true;
        this.attempt = 0;
        const resume = this.opts.handlers.resume();
        this.opts.handlers.hello(message as unknown as Hello);
        this.subscribe(resume);
      } else {
        this.opts.handlers.json(message);
      }
    } catch (e) {
      // One bad message must not blind the operator; it is counted and the next one is read.
      this.broken += 1;
      console.warn('ioc: a message was not understood', e);
    }
  }

  private subscribe(resume: Resume | null): void {
    this.socket?.send(
      JSON.stringify({ t: 'sub', topics: ['state', 'tiles', 'alerts'], hz: this.hz, resume }),
    );
  }

  private lost(): void {
    const opened = this.saidHello;
    this.drop();
    if (this.stopped) return;
    this.retryAt = this.now() + backoff(this.attempt, this.random());
    this.attempt += 1;
    this.opts.handlers.closed(opened);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.saidHello = false;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
