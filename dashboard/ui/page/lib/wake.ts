// Keeps a screen awake while it is seen, where the browser can; the lock ends whenever the page is hidden.
export function stayAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const ask = () => {
    if (over || document.hidden) return;
    navigator.wakeLock?.request('screen').then(
      (got) => {
        if (over) void got.release();
        else lock = got;
      },
      // Without power or right the screen goes its own way.
      () => {},
    );
  };
  ask();
  document.addEventListener('visibilitychange', ask);
  return () => {
    over = true;
    document.removeEventListener('visibilitychange', ask);
    void lock?.release();
  };
}
