// A pattern for each severity over the wards of the map: what colour says, for who does not see it.
import { alpha, SEVERITY } from './theme';

/** Edge of a pattern, CSS pixels. */
export const TILE = 8;

/** Lines of the pattern of a level, `[x0, y0, x1, y1]` in a tile: from a few dots to a net. */
export function strokes(level: number): readonly (readonly [number, number, number, number])[] {
  // A diagonal also needs its neighbours' corners, so that lines meet over the edges.
  const rising = [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]] as const;
  const falling = [[0, 0, 8, 8], [-2, 6, 2, 10], [6, -2, 10, 2]] as const;
  switch (level) {
    case 1: return [[3.5, 4, 4.5, 4]];
    case 2: return [[0, 4, 8, 4]];
    case 3: return rising;
    case 4: return [...falling, [4, 0, 8, 4], [0, 4, 4, 8]];
    case 5: return [...rising, ...falling];
    default: return [];
  }
}

const made = new Map<string, CanvasPattern | null>();

/** The pattern of a level in the colour of the theme, to fill what is drawn with `k` pixels a unit. */
export function hatch(c: CanvasRenderingContext2D, level: number, k: number, dpr: number, strength: number): CanvasPattern | null {
  const colour = alpha(SEVERITY[level] ?? '#808080', strength);
  const key = `${level} ${colour} ${dpr}`;
  let pattern = made.get(key);
  if (pattern === undefined) {
    const tile = document.createElement('canvas');
    tile.width = tile.height = Math.round(TILE * dpr);
    const t = tile.getContext('2d');
    if (t !== null) {
      const unit = tile.width / TILE;
      t.scale(unit, unit);
      t.strokeStyle = colour;
      t.lineWidth = level === 1 ? 1.4 : 1;
      t.beginPath();
      for (const [x0, y0, x1, y1] of strokes(level)) {
        t.moveTo(x0, y0);
        t.lineTo(x1, y1);
      }
      t.stroke();
    }
    pattern = c.createPattern(tile, 'repeat');
    made.set(key, pattern);
  }
  // A pixel of the pattern is one of the screen, whatever the map's scale.
  pattern?.setTransform(new DOMMatrix([1 / (k * dpr), 0, 0, 1 / (k * dpr), 0, 0]));
  return pattern;
}
