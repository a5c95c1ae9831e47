// How the curves of the explorer differ: by hue, and for who does not see hues by dashes too.
import { COLOR } from './theme';

/** Degrees away from the series colour of the theme; none comes near the red, orange, yellow and blue of severities. */
const HUES = [0, 105, 150, -75, 75, 128, -50, 175];
const DASHES: readonly (readonly number[])[] = [[], [], [7, 3], [2, 3], [], [7, 3], [10, 3, 2, 3], [2, 3]];

/** `#rrggbb` as hue, saturation, lightness. */
function hsl(hex: string): [number, number, number] {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255) as [number, number, number];
  const [max, min] = [Math.max(r, g, b), Math.min(r, g, b)];
  const [l, d] = [(max + min) / 2, max - min];
  if (d === 0) return [0, 0, l];
  const h = max === r ? (g - b) / d : max === g ? (b - r) / d + 2 : (r - g) / d + 4;
  return [h * 60, d / (1 - Math.abs(2 * l - 1)), l];
}

export function colourOf(n: number): string {
  const [h, s, l] = hsl(COLOR.series);
  return `hsl(${Math.round(h + (HUES[n % HUES.length] as number) + 360) % 360} ${Math.round(Math.min(s, 0.42) * 100)}% ${Math.round(l * 100)}%)`;
}
export const dashOf = (n: number): readonly number[] => DASHES[n % DASHES.length] as readonly number[];
