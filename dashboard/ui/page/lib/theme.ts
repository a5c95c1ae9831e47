// The theme that the page wears, and its colours for canvases. The colours themselves are in app.css.
import type { Level } from './model';
import type { Theme } from './route.svelte';

export type Worn = Exclude<Theme, ''>;
/** What the system asks for. */
export interface Wants { light: boolean; more: boolean; paper: boolean }

/** On paper it is always light; who chose nothing gets what the system wants. */
export function worn(theme: Theme, wants: Wants): Worn {
  if (wants.paper) return 'light';
  if (theme !== '') return theme;
  return wants.more ? 'contrast' : wants.light ? 'light' : 'dark';
}

/** Colours of severities 0 to 5, as `#rrggbb`; they change with the theme, so ask when drawing. */
export const SEVERITY: string[] = Array<string>(6).fill('#808080');
export const COLOR = {
  ground: '#808080', land: '#808080', landEdge: '#808080', label: '#808080', labelHalo: '#808080', normal: '#808080', dim: '#808080',
  text: '#808080', mark: '#808080', rim: '#808080', focus: '#808080', series: '#808080', grid: '#808080', axis: '#808080',
};
const FROM: Record<keyof typeof COLOR, string> = {
  ground: '--bg', land: '--land', landEdge: '--land-edge', label: '--label', labelHalo: '--bg', normal: '--sev-0', dim: '--quiet',
  text: '--text', mark: '--mark', rim: '--rim', focus: '--focus', series: '--series', grid: '--grid', axis: '--muted',
};

let wash = 1;
/** How strong a wash of colour is, beside the dark theme: on light grounds the same share is louder. */
export const tone = (): number => wash;

const listeners = new Set<() => void>();
/** Calls `then` after each change of the colours, until the answer is called. */
export function onTheme(then: () => void): () => void {
  listeners.add(then);
  return () => listeners.delete(then);
}

/** A canvas knows what every colour of CSS is, also those of the system. */
const probe = typeof document === 'undefined' ? null : document.createElement('canvas').getContext('2d');

function read(): void {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => {
    if (probe === null) return '#808080';
    probe.fillStyle = style.getPropertyValue(name);
    return String(probe.fillStyle);
  };
  for (let l = 0; l < SEVERITY.length; l++) SEVERITY[l] = colour(`--sev-${l}`);
  for (const key of Object.keys(COLOR) as (keyof typeof COLOR)[]) COLOR[key] = colour(FROM[key]);
  wash = Number(style.getPropertyValue('--wash')) || 1;
  for (const then of listeners) then();
}

const MEDIA = { light: '(prefers-color-scheme: light)', more: '(prefers-contrast: more)', forced: '(forced-colors: active)', paper: 'print' } as const;

/** Puts a theme on the page and follows the system, until the answer is called. */
export function wear(theme: Theme): () => void {
  const media = Object.values(MEDIA).map((query) => matchMedia(query));
  const [light, more, forced, paper] = media as [MediaQueryList, MediaQueryList, MediaQueryList, MediaQueryList];
  const put = (printing: boolean) => {
    document.documentElement.dataset.theme = worn(theme, { light: light.matches, more: more.matches || forced.matches, paper: printing });
    read();
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', COLOR.ground);
  };
  const again = () => put(paper.matches);
  const [before, after] = [() => put(true), () => put(false)];
  again();
  for (const m of media) m.addEventListener('change', again);
  addEventListener('beforeprint', before);
  addEventListener('afterprint', after);
  return () => {
    for (const m of media) m.removeEventListener('change', again);
    removeEventListener('beforeprint', before);
    removeEventListener('afterprint', after);
  };
}

/** `#rrggbb` with an opacity. */
export function alpha(hex: string, a: number): string {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${a})`;
}

/** The mark of the highest level: without it an octagon is a disc from afar. */
export function exclaim(c: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  c.fillStyle = COLOR.mark;
  c.fillRect(x - r * 0.17, y - r * 0.72, r * 0.34, r * 0.86);
  c.fillRect(x - r * 0.17, y + r * 0.34, r * 0.34, r * 0.34);
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
