// What Escape closes before it goes back: the last thing opened first.
const open: (() => void)[] = [];

/** Puts something on top, until the answer is called. */
export function escapable(close: () => void): () => void {
  open.push(close);
  return () => {
    const i = open.lastIndexOf(close);
    if (i >= 0) open.splice(i, 1);
  };
}

/** Closes what is on top; false when nothing is open. */
export function escape(): boolean {
  const close = open.at(-1);
  close?.();
  return close !== undefined;
}
