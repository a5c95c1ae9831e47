import { describe, expect, it } from 'vitest';
import { render } from 'svelte/server';
import type { Component } from 'svelte';
import { strokes, TILE } from './hatch';
import { STATE, WORK } from './labels';
import Glyph from '../parts/Glyph.svelte';
import StateGlyph from '../parts/StateGlyph.svelte';

/** The picture without its colours and names: what is left is its shape. */
const shape = (part: Component<Record<string, unknown>>, props: Record<string, unknown>) => render(part, { props }).body.replace(/<!--.*?-->/g, '').replace(/<\/?svg[^>]*>/g, '').trim();
const distinct = (shapes: readonly string[]) => expect(shapes.filter((s, i) => s === '' || shapes.indexOf(s) !== i)).toEqual([]);

describe('what colour says is also said by shape', () => {
  it('has a pattern for each severity, denser from level to level', () => {
    const length = (l: number) => strokes(l).reduce((sum, [x0, y0, x1, y1]) => sum + Math.hypot(x1 - x0, y1 - y0), 0);
    for (let l = 2; l <= 5; l++) expect(length(l)).toBeGreaterThan(length(l - 1));
    expect(strokes(0)).toEqual([]);
    expect(new Set([1, 2, 3, 4, 5].map((l) => JSON.stringify(strokes(l)))).size).toBe(5);
  });
  it('has patterns without seams: a line that leaves a tile goes on in the next', () => {
    for (let l = 2; l <= 5; l++) {
      const lines = strokes(l);
      // Where the lines cross x = 0 and x = TILE, and y = 0 and y = TILE.
      const at = (axis: 0 | 1, edge: number) => new Set(lines.filter((s) => s[axis] !== s[axis + 2]).flatMap((s) => {
        const [a, b, c, d] = axis === 0 ? [s[0], s[1], s[2], s[3]] : [s[1], s[0], s[3], s[2]];
        const part = (edge - a) / (c - a);
        return part < 0 || part > 1 ? [] : [b + (d - b) * part].filter((v) => v >= 0 && v <= TILE).map((v) => v % TILE);
      }));
      expect(at(0, 0), `${l}`).toEqual(at(0, TILE));
      expect(at(1, 0), `${l}`).toEqual(at(1, TILE));
    }
  });
  it('draws each severity with a shape of its own', () => {
    distinct([0, 1, 2, 3, 4, 5].map((level) => shape(Glyph as never, { level })));
  });
  it('draws each state of ISA-18.2, and each of the work, with a shape of its own', () => {
    distinct([...Object.keys(STATE).map((state) => shape(StateGlyph as never, { state })), ...Object.keys(WORK).map((work) => shape(StateGlyph as never, { work }))]);
  });
});
