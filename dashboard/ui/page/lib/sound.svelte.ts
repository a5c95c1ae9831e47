// Tones for new alerts, made by the browser itself. A browser plays nothing before somebody has
// pressed something: then that is said, and one press turns it on.
import { app } from './app.svelte';
import { every } from './beat';
import type { Level } from './model';
import { hear, settingsOf, TONES, type Memory, type SoundSettings } from './sound';

const STORE = 'ioc.sound';
const LISTEN_MS = 250;
const MINUTE_MS = 60_000;
/** Loud enough for a room, far from what hurts. */
const VOLUME = 0.25;

function stored(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    return null;
  }
}

class Sound {
  settings = $state.raw<SoundSettings>(settingsOf(stored()));
  /** The browser lets nothing be heard before somebody has pressed something. */
  blocked = $state(false);
  now = $state(Date.now());
  private context: AudioContext | null = null;
  /** The browser has let it run once, so it does again. Between tones it is halted: a running one costs 2 % of a core. */
  private allowed = false;
  /** End of the last tone, in the context's own time. */
  private until = 0;
  private memory: Memory | null = null;

  get muted(): boolean {
    return this.settings.mutedUntil > this.now;
  }

  set(patch: Partial<SoundSettings>): void {
    this.settings = { ...this.settings, ...patch };
    try {
      localStorage.setItem(STORE, JSON.stringify(this.settings));
    } catch {
      // Without storage it holds until the page is closed.
    }
  }

  /** For so many minutes; 0 ends it. */
  mute(minutes: number): void {
    this.now = Date.now();
    this.set({ mutedUntil: minutes === 0 ? 0 : this.now + minutes * MINUTE_MS });
  }

  /** To be called from something that was pressed. */
  unblock = async (): Promise<void> => {
    try {
      this.context ??= new AudioContext();
      if (this.context.state === 'suspended') await this.context.resume();
      this.allowed = this.context.state === 'running';
    } catch {
      // A machine without any sound: that it is blocked is what can be said.
    }
    this.look();
    this.rest();
  };

  async test(level: Level): Promise<void> {
    await this.unblock();
    await this.play(level);
  }

  start(): () => void {
    const end = every(LISTEN_MS, () => this.listen());
    const pressed = () => { if (this.settings.on && !this.allowed) void this.unblock(); };
    addEventListener('pointerdown', pressed);
    addEventListener('keydown', pressed);
    this.look();
    // Whoever has just signed in has pressed something already.
    if (navigator.userActivation?.hasBeenActive === true && this.settings.on) void this.unblock();
    return () => {
      end();
      removeEventListener('pointerdown', pressed);
      removeEventListener('keydown', pressed);
      this.memory = null;
    };
  }

  private look(): void {
    this.blocked = !this.allowed;
  }

  private rest(): void {
    const context = this.context;
    if (context?.state === 'running' && context.currentTime >= this.until) void context.suspend();
  }

  /** Hears the list; to be called when it changed, and by itself for what repeats. */
  listen(): void {
    const now = Date.now();
    if (Math.floor(now / 1000) !== Math.floor(this.now / 1000)) this.now = now;
    this.look();
    // Another person, other rights: the list begins anew.
    if (app.alerts.change === 0) this.memory = null;
    // While the link catches up nobody can acknowledge, and half a list tells nothing.
    if (app.alerts.change === 0 || app.live.resuming || !app.alerts.ready) return;
    const rows = app.alerts.open.map((r) => ({ id: r.id, raised: r.alert.raised_at, level: r.level, acknowledged: r.alert.acknowledged }));
    const heard = hear(rows, this.settings, this.memory, now);
    this.memory = heard.memory;
    if (heard.play > 0) void this.play(heard.play);
  }

  private async play(level: Level): Promise<void> {
    const context = this.context;
    if (context === null || !this.allowed) return;
    // Before the first wait, so that nothing halts it meanwhile.
    this.until = Infinity;
    try {
      await context.resume();
    } catch {
      // Closed by the system: said at the next look.
      this.allowed = false;
    }
    const start = context.currentTime + 0.02;
    for (const [pitch, after, length] of TONES[level] ?? []) {
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.type = 'triangle';
      tone.frequency.value = pitch;
      // Without a slope at both ends it clicks.
      gain.gain.setValueAtTime(0, start + after);
      gain.gain.linearRampToValueAtTime(VOLUME, start + after + 0.015);
      gain.gain.setValueAtTime(VOLUME, start + after + length - 0.03);
      gain.gain.linearRampToValueAtTime(0, start + after + length);
      tone.connect(gain).connect(context.destination);
      tone.start(start + after);
      tone.stop(start + after + length);
      tone.onended = () => this.rest();
      this.until = this.until === Infinity ? start + after + length : Math.max(this.until, start + after + length);
    }
    if (this.until === Infinity) this.until = 0;
  }
}

export const sound = new Sound();
