// A dialog takes the focus and gives it back: to what opened it, or to what took its place.

/** After a dialog, a list that is read anew may lose the row that opened it for so long. */
const WATCH_MS = 3000;

/** Where focus goes when `opener` is gone: its like in the same place, else the next thing around it. */
function successor(kin: readonly HTMLElement[], at: number): HTMLElement | undefined {
  return kin[Math.min(Math.max(at, 0), kin.length - 1)];
}

/** Remembers what has the focus; the answer gives it back, or, when it is gone, gives it to `instead`. */
export function remember(instead?: () => HTMLElement | null): () => void {
  const opener = document.activeElement as HTMLElement | null;
  const testid = opener?.dataset?.testid;
  const kin = (): HTMLElement[] => (testid === undefined ? [] : [...document.querySelectorAll<HTMLElement>(`[data-testid="${CSS.escape(testid)}"]`)]);
  const at = opener === null ? -1 : kin().indexOf(opener);
  const around: Element[] = [];
  for (let e = opener?.parentElement; e; e = e.parentElement) around.push(e);

  const give = (): void => {
    if (opener === null || opener === document.body) return instead?.()?.focus({ preventScroll: true });
    const near = (): HTMLElement | null | undefined => around.find((e) => e.isConnected)?.querySelector<HTMLElement>('button:not(:disabled), a[href], input:not(:disabled)');
    const to = opener.isConnected ? opener : (instead?.() ?? successor(kin(), at) ?? near());
    to?.focus({ preventScroll: true });
  };
  return () => {
    give();
    // The list behind may be read anew only now.
    const watch = new MutationObserver(() => {
      if (document.activeElement !== document.body || opener?.isConnected) return;
      watch.disconnect();
      give();
    });
    watch.observe(document.body, { childList: true, subtree: true });
    setTimeout(() => watch.disconnect(), WATCH_MS);
  };
}

/** Opens a dialog as a modal one; the answer closes it. `onclose` also hears of a close that the browser alone decided. */
export function modal(dialog: HTMLDialogElement, onclose: () => void, instead?: () => HTMLElement | null): () => void {
  const giveBack = remember(instead);
  let gone = false;
  const closed = () => { if (!gone) onclose(); };
  dialog.addEventListener('close', closed);
  dialog.showModal();
  return () => {
    gone = true;
    dialog.removeEventListener('close', closed);
    // What lies behind an open dialog takes no focus.
    dialog.close();
    giveBack();
  };
}
