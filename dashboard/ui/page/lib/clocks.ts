// Clocks that run down: the times to acknowledge and to resolve, and the ten seconds of an undo.
import { isOpen, type Alert } from './life';

export interface Due {
  what: 'ack' | 'resolve';
  at: number;
  /** ms; negative: so long over. */
  left: number;
  /** `calm`, `soon` in the last quarter of the time (and within 15 min at most for short ones), `over`. */
  mood: 'calm' | 'soon' | 'over';
}

/** The clock that matters now: to acknowledge first, then to resolve. */
export function due(a: Alert, now: number): Due | null {
  if (!isOpen(a) || a.work === 'resolved') return null;
  const what = !a.acknowledged && a.ack_due != null ? 'ack' : 'resolve';
  const at = what === 'ack' ? a.ack_due : a.resolve_due;
  if (at == null) return null;
  return { what, at, left: at - now, mood: mood(at - now, at - a.raised_at) };
}

function mood(left: number, whole: number): Due['mood'] {
  if (left <= 0) return 'over';
  return left < Math.max(60_000, whole / 4) ? 'soon' : 'calm';
}

/** Whole seconds that are left until `deadline`: 10, 9 … 1, then 0. */
export function countdown(deadline: number, now: number): number {
  return Math.max(0, Math.ceil((deadline - now) / 1000));
}
