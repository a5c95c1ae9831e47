// What the window is like, and short-lived words to the operator.
class Screen {
  /** One column, the page itself scrolls. */
  phone = $state(false);
  /** Root font size, px: the unit of all sizes. */
  rem = $state(14);
  toast = $state.raw<{ kind: 'ok' | 'problem'; text: string } | null>(null);
  private timer: ReturnType<typeof setTimeout> | undefined;

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

  /** Good news goes by itself; a problem stays until it is closed. */
  say(kind: 'ok' | 'problem', text: string): void {
    clearTimeout(this.timer);
    this.toast = { kind, text };
    if (kind === 'ok') this.timer = setTimeout(() => (this.toast = null), 4000);
  }

  hush(): void {
    clearTimeout(this.timer);
    this.toast = null;
  }
}

export const screen = new Screen();
