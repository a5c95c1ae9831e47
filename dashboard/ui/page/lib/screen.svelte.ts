// What the window is like, and short-lived words to the operator.
export interface Undo { deadline: number; run: () => void }
export interface Toast { id: number; kind: 'ok' | 'problem'; text: string; undo: Undo | null }

const GOOD_MS = 4000;
const AT_ONCE = 3;

class Screen {
  /** One column, the page itself scrolls. */
  phone = $state(false);
  /** Root font size, px: the unit of all sizes. */
  rem = $state(14);
  /** Oldest first. */
  toasts = $state.raw<readonly Toast[]>([]);
  private serial = 0;

  start(): () => void {
    const narrow = matchMedia('(max-width: 768px)');
    const read = () => {
      this.phone = narrow.matches;
      this.rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    };
    read();
    narrow.addEventListener('change', read);
    addEventListener('resize', read);
    return () => {
      narrow.removeEventListener('change', read);
      removeEventListener('resize', read);
    };
  }

  /** Good news goes by itself, with an undo at the end of its time; a problem stays until it is closed. */
  say(kind: 'ok' | 'problem', text: string, undo?: Undo): void {
    const toast: Toast = { id: ++this.serial, kind, text, undo: undo ?? null };
    this.toasts = [...this.toasts, toast].slice(-AT_ONCE);
    const stay = undo ? undo.deadline - Date.now() : GOOD_MS;
    if (kind === 'ok') setTimeout(() => this.hush(toast.id), stay);
  }

  hush(id: number): void {
    this.toasts = this.toasts.filter((t) => t.id !== id);
  }
}

export const screen = new Screen();
