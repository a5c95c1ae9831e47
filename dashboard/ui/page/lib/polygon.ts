// Plane geometry of rings.

/** Signed area of a ring. */
export function area(points: readonly [number, number][]): number {
  let sum = 0;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i] as [number, number];
    const [xj, yj] = points[j] as [number, number];
    sum += (xj - xi) * (yj + yi);
  }
  return sum / 2;
}

/** Even-odd rule over all rings. */
export function inside(rings: readonly (readonly [number, number][])[], x: number, y: number): boolean {
  let odd = false;
  for (const points of rings) {
    for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
      const [xi, yi] = points[i] as [number, number];
      const [xj, yj] = points[j] as [number, number];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
    }
  }
  return odd;
}

/** A point well inside a ring: the middle of the widest span over eleven horizontal cuts. */
export function middle(points: readonly [number, number][]): [number, number] {
  const ys = points.map((p) => p[1]);
  const top = Math.min(...ys);
  const bottom = Math.max(...ys);
  let best: [number, number] = [points[0]?.[0] ?? 0, points[0]?.[1] ?? 0];
  let score = -1;
  for (let k = 1; k <= 11; k++) {
    const y = top + ((bottom - top) * k) / 12;
    const cuts: number[] = [];
    for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
      const [xi, yi] = points[i] as [number, number];
      const [xj, yj] = points[j] as [number, number];
      if (yi > y !== yj > y) cuts.push(((xj - xi) * (y - yi)) / (yj - yi) + xi);
    }
    cuts.sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i += 2) {
      const a = cuts[i] as number;
      const b = cuts[i + 1] as number;
      // Wide spans near the half height make the best places for a badge.
      const central = 1 - Math.abs(k - 6) / 12;
      if ((b - a) * central > score) {
        score = (b - a) * central;
        best = [(a + b) / 2, y];
      }
    }
  }
  return best;
}
