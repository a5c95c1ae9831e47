// Where a popover stands: beside its anchor, on the side that has room; else below or above it. It is
// always inside the map, and covers its anchor only where there is no other room.

export interface Size { w: number; h: number }

/** Left and top for a popover of a size at (x, y) in a box; `gap` is the distance from the anchor. */
export function stand(x: number, y: number, size: Size, box: Size, gap: number, edge = 8): { left: number; top: number } {
  const fit = (v: number, room: number) => Math.max(edge, Math.min(v, room - edge));
  const across = box.w - size.w;
  const down = box.h - size.h;
  const beside = fit(y - size.h / 3, down);
  if (x + gap <= across - edge) return { left: x + gap, top: beside };
  if (x - gap - size.w >= edge) return { left: x - gap - size.w, top: beside };
  const below = y + gap <= down - edge;
  return { left: fit(x - size.w / 2, across), top: fit(below ? y + gap : y - gap - size.h, down) };
}

/**
 * How far an anchor must go down, px, so that a popover above it does not cover it; 0 when it is not
 * covered, or when the box is too small for both.
 */
export function lift(x: number, y: number, size: Size, box: Size, gap: number, edge = 8): number {
  const { left, top } = stand(x, y, size, box, gap, edge);
  const covered = x > left - edge && x < left + size.w + edge && y > top - edge && y < top + size.h + edge;
  const target = box.h - gap - edge;
  return covered && size.h + 2 * gap + 2 * edge <= box.h ? Math.max(0, target - y) : 0;
}
