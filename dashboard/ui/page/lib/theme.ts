// Colours that canvases need; the same numbers are in app.css. Severity colours keep a CIE76
// distance of at least 27 in normal and colour-blind sight (console.md §5).
import type { Level } from './model';

export const SEVERITY: readonly string[] = ['#9ca4ac', '#6e9df7', '#fffe33', '#f68c01', '#f65346', '#f65346'];
export const COLOR = {
  ground: '#0d1319',
  land: '#18232d',
  landEdge: '#33424f',
  label: '#8fa1b2',
  labelHalo: '#0d1319',
  normal: '#9ca4ac',
  dim: '#5d6b78',
  text: '#dbe5ee',
  focus: '#4da3ff',
  series: '#8ec5c0',
  band: 'rgba(156,164,172,0.12)',
  grid: '#22303b',
  axis: '#93a5b6',
} as const;

/** `#rrggbb` with an opacity. */
export function alpha(hex: string, a: number): string {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${a})`;
}

/** Traces the shape of a severity around (x, y): dot, ● ■ ◆ ▲ and an octagon. */
export function shape(c: CanvasRenderingContext2D | Path2D, l: Level, x: number, y: number, r: number): void {
  switch (l) {
    case 2:
      c.rect(x - r * 0.86, y - r * 0.86, r * 1.72, r * 1.72);
      break;
    case 3:
      c.moveTo(x, y - r * 1.2);
      c.lineTo(x + r * 1.2, y);
      c.lineTo(x, y + r * 1.2);
      c.lineTo(x - r * 1.2, y);
      c.closePath();
      break;
    case 4:
      c.moveTo(x, y - r * 1.15);
      c.lineTo(x + r * 1.15, y + r * 0.85);
      c.lineTo(x - r * 1.15, y + r * 0.85);
      c.closePath();
      break;
    case 5: {
      const k = r * 1.2;
      for (let i = 0; i < 8; i++) {
        const t = Math.PI / 8 + (i * Math.PI) / 4;
        const px = x + k * Math.cos(t);
        const py = y + k * Math.sin(t);
        if (i === 0) c.moveTo(px, py);
        else c.lineTo(px, py);
      }
      c.closePath();
      break;
    }
    default:
      c.moveTo(x + r, y);
      c.arc(x, y, r, 0, Math.PI * 2);
  }
}
