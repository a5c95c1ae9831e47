// Where a popover stands: beside its anchor, on the side that has room, and always inside the map.

export interface Size { w: number; h: number }

/** Left and top for a popover of a size at (x, y) in a box; `gap` is the distance from the anchor. */
export function stand(x: number, y: number, size: Size, box: Size, gap: number, edge = 8): { left: number; top: number } {
  const fits = (v: number, most: number) => Math.max(edge, Math.min(v, most - edge));
  const right = x + gap + size.w <= box.w - edge;
  const left = fits(right || x - gap - size.w < edge ? x + gap : x - gap - size.w, box.w - size.w);
  return { left, top: fits(y - size.h / 3, box.h - size.h) };
}
