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
export const untilNext = (ms: number): number => ms - (Date.now() % ms);

/** Half of a second, the pace of what need not be at once. */
export const HALF_MS = 500;

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
