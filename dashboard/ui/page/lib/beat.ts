// What happens again and again happens at round moments of the clock, together: each change drawn
// by itself would cost the browser a frame of its own.

/** Runs a task at each multiple of so many ms of the clock; the answer ends it. */
export function every(ms: number, task: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const next = () => {
    timer = setTimeout(() => {
      next();
      task();
    }, untilNext(ms));
  };
  next();
  return () => clearTimeout(timer);
}

/** From now to the next multiple of so many ms of the clock. */
const untilNext = (ms: number): number => ms - (Date.now() % ms);

const HALF_MS = 500;

/** After a quiet while a task is done at once, in a storm of wishes for it twice a second. */
export class Pace {
  /** Until then it waits, on the page's own clock. */
  private rest = 0;
  private later: ReturnType<typeof setTimeout> | undefined;
  private readonly task: () => void;

  constructor(task: () => void) {
    this.task = task;
  }

  ask(): void {
    if (performance.now() >= this.rest) this.now();
    else this.later ??= setTimeout(() => this.now(), untilNext(HALF_MS));
  }

  stop(): void {
    clearTimeout(this.later);
    this.later = undefined;
  }

  private now(): void {
    this.stop();
    this.rest = performance.now() + HALF_MS;
    this.task();
  }
}

/**
 * What blinks does it together, once a second (WCAG 2.3.1 allows three flashes), by one attribute
 * of the page: an animation, even of two steps, makes the browser compose 60 frames a second.
 */
export function blink(): () => void {
  const still = matchMedia('(prefers-reduced-motion: reduce), print');
  const root = document.documentElement;
  const rest = () => root.removeAttribute('data-beat');
  const end = every(HALF_MS, () => root.toggleAttribute('data-beat', !still.matches && !root.hasAttribute('data-beat')));
  addEventListener('beforeprint', rest);
  return () => {
    end();
    removeEventListener('beforeprint', rest);
    rest();
  };
}
