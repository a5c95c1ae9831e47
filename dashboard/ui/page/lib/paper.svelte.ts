// Whether the page is being printed: then lists are whole, not only the part that is in sight.
import { flushSync } from 'svelte';

/** More rows than this are no print but an export. */
export const PAPER_ROWS = 2000;

class Paper {
  on = $state(false);

  start(): () => void {
    const media = matchMedia('print');
    // At once: the browser lays the pages out when the event is over.
    const put = (on: boolean) => flushSync(() => (this.on = on));
    const [before, after, follow] = [() => put(true), () => put(false), () => put(media.matches)];
    addEventListener('beforeprint', before);
    addEventListener('afterprint', after);
    media.addEventListener('change', follow);
    return () => {
      removeEventListener('beforeprint', before);
      removeEventListener('afterprint', after);
      media.removeEventListener('change', follow);
    };
  }
}

export const paper = new Paper();
