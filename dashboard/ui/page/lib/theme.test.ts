// The palettes of all themes, as they are in app.css.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { worn } from './theme';

const css = readFileSync(fileURLToPath(new URL('../app.css', import.meta.url)), 'utf8');
const THEMES = ['dark', 'light', 'contrast'] as const;
type Palette = Map<string, string>;

/** The variables of a theme; `--name: #rrggbb`. */
function palette(theme: string): Palette {
  const block = new RegExp(`:root\\[data-theme='${theme}'\\] \\{([^}]*)\\}`).exec(css)?.[1] ?? '';
  return new Map([...block.matchAll(/--([a-z0-9-]+): (#[0-9a-f]{6})\b/g)].map((m) => [m[1] as string, m[2] as string]));
}
const palettes = THEMES.map((name) => [name, palette(name)] as const);
const of = (p: Palette, name: string): string => {
  const hex = p.get(name);
  if (hex === undefined) throw new Error(`no --${name}`);
  return hex;
};

/** Linear light of the three channels, 0 to 1. */
function light(hex: string): [number, number, number] {
  const channel = (at: number) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

/** WCAG 2.2, relative luminance and contrast ratio. */
function contrast(a: string, b: string): number {
  const lum = (hex: string) => light(hex).reduce((sum, c, i) => sum + c * ([0.2126, 0.7152, 0.0722][i] as number), 0);
  const [x, y] = [lum(a), lum(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

// Machado, Oliveira and Fernandes 2009, severity 1.0, on linear light.
const SIGHTS: Record<string, readonly (readonly [number, number, number])[]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

/** CIELAB (D65) of what somebody with that sight sees. */
function lab(hex: string, sight: string): [number, number, number] {
  const l = light(hex);
  const [r, g, b] = (SIGHTS[sight] ?? []).map((m) => Math.min(1, Math.max(0, m[0] * l[0] + m[1] * l[1] + m[2] * l[2]))) as [number, number, number];
  const f = (t: number) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}
const distance = (a: string, b: string, sight: string) => {
  const [p, q] = [lab(a, sight), lab(b, sight)];
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
};

describe('the arithmetic', () => {
  it('knows black on white, and CIELAB of white and of pure red', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
    expect(distance('#ffffff', '#000000', 'normal')).toBeCloseTo(100, 0);
    expect(lab('#ff0000', 'normal').map(Math.round)).toEqual([53, 80, 67]);
  });
  it('sees red and green alike for who cannot tell them apart', () => {
    expect(distance('#b05a3c', '#7a7a2a', 'deutan')).toBeLessThan(distance('#b05a3c', '#7a7a2a', 'normal') / 2);
  });
});

describe.each(palettes)('theme %s', (name, p) => {
  it('has the same colours as the others', () => {
    expect([...p.keys()].sort()).toEqual([...palettes[0]![1].keys()].sort());
    expect(p.size).toBeGreaterThan(35);
  });
  it.each(['text', 'bright', 'muted', 'dim', 'link', 'fault', 'amber', 'good'])('%s is read on every ground (4.5:1)', (text) => {
    for (const ground of ['bg', 'panel', 'raised', 'hover']) expect(contrast(of(p, text), of(p, ground)), `on ${ground}`).toBeGreaterThanOrEqual(name === 'contrast' ? 7 : 4.5);
  });
  it('texts on coloured grounds are read (4.5:1)', () => {
    for (const [text, ground] of [['text', 'field'], ['dim', 'field'], ['on-primary', 'primary'], ['on-primary', 'primary-hover'], ['on-amber', 'amber'], ['on-select', 'select'], ['label', 'land'], ['label', 'sea']] as const) {
      expect(contrast(of(p, text), of(p, ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });
  it('focus, and the edges of what is pressed, are seen (3:1)', () => {
    for (const ground of ['bg', 'panel', 'raised', 'hover']) expect(contrast(of(p, 'focus'), of(p, ground)), ground).toBeGreaterThanOrEqual(3);
  });
  it('glyphs of severities are seen on what they lie on (3:1)', () => {
    for (let l = 0; l <= 5; l++) for (const ground of ['bg', 'panel', 'raised', 'land']) expect(contrast(of(p, `sev-${l}`), of(p, ground)), `${l} on ${ground}`).toBeGreaterThanOrEqual(3);
    expect(contrast(of(p, 'series'), of(p, 'panel'))).toBeGreaterThanOrEqual(3);
    // The mark in the octagon, and its rim around.
    expect(contrast(of(p, 'mark'), of(p, 'sev-5'))).toBeGreaterThanOrEqual(3);
    expect(contrast(of(p, 'rim'), of(p, 'panel'))).toBeGreaterThanOrEqual(7);
  });
  it.each(Object.keys(SIGHTS))('severities differ in %s sight (CIE76 20)', (sight) => {
    // The two highest share a colour; an octagon with a mark and a triangle tell them apart.
    for (let a = 0; a <= 4; a++) for (let b = a + 1; b <= 4; b++) expect(distance(of(p, `sev-${a}`), of(p, `sev-${b}`), sight), `${a} and ${b}`).toBeGreaterThanOrEqual(20);
  });
  it('no curve has the colour of a severity', () => {
    for (let l = 1; l <= 5; l++) expect(distance(of(p, 'series'), of(p, `sev-${l}`), 'normal'), String(l)).toBeGreaterThanOrEqual(20);
  });
});

describe('which theme is worn', () => {
  const none = { light: false, more: false, paper: false };
  it('is what was chosen, else what the system wants', () => {
    expect(worn('', none)).toBe('dark');
    expect(worn('', { ...none, light: true })).toBe('light');
    expect(worn('', { ...none, light: true, more: true })).toBe('contrast');
    expect(worn('dark', { ...none, light: true, more: true })).toBe('dark');
  });
  it('is light on paper, whatever was chosen', () => {
    for (const theme of ['', ...THEMES] as const) expect(worn(theme, { ...none, paper: true })).toBe('light');
  });
});

describe('colours in the page', () => {
  it('are in app.css only', async () => {
    const { readdirSync } = await import('node:fs');
    const root = fileURLToPath(new URL('..', import.meta.url));
    const found = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((f) => f.endsWith('.svelte'))
      .flatMap((f) => (/<style>([^]*)<\/style>/.exec(readFileSync(root + f, 'utf8'))?.[1] ?? '').split('\n').filter((line) => /#[0-9a-f]{3,8}\b/i.test(line)).map((line) => `${f}: ${line.trim()}`));
    // The picture of a second factor is read by a camera, and paper is white.
    expect(found.filter((line) => !/^parts\/(SecondFactor|PaperHead)\.svelte/.test(line))).toEqual([]);
  });
});
