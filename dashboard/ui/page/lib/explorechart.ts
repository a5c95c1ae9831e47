// Curves of several series on one time axis: one below the other in charts of their own that share the
// cursor, or in one chart with an axis for each of at most two units.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Sample } from './columns';
import { aligned, lonely } from './explorealign';
import { colourOf, dashOf } from './explorelook';
import * as fmt from './fmt';
import type { Lang } from './model';
import { schedule, unschedule } from './raf';
import { alpha, COLOR, onTheme } from './theme';
import { digitsOf, tickText } from './ticks';

export interface Drawing {
  lang: Lang;
  from: number;
  to: number;
  /** `before` is drawn dimmed and dashed, `shift` ms later than it was. */
  curves: { points: readonly Sample[]; before: readonly Sample[]; gap: number; unit: string; look: number }[];
  shift: number;
  normal: [number, number] | null;
  limits: { value: number; label: string }[];
}
export interface Heard { at: (ms: number | null) => void; zoom: (a: number, b: number) => void }

const SYNC = 'explore';

export class ExploreChart {
  private plot: uPlot | null = null;
  private readonly box: HTMLElement;
  private readonly heard: Heard;
  private readonly resize: ResizeObserver;
  private readonly unthemed: () => void;
  private what: Drawing;

  constructor(box: HTMLElement, what: Drawing, heard: Heard) {
    this.box = box;
    this.what = what;
    this.heard = heard;
    this.resize = new ResizeObserver(() => schedule(this.fit));
    this.resize.observe(box);
    this.unthemed = onTheme(() => this.build());
    this.build();
  }

  set(what: Drawing): void {
    const same = what.lang === this.what.lang && JSON.stringify(this.shape(what)) === JSON.stringify(this.shape(this.what));
    this.what = what;
    // New readings keep the chart, so that the pointer stays where it is.
    if (!same || this.plot === null) this.build();
    else this.plot.setData(this.data(), true);
  }

  destroy(): void {
    this.resize.disconnect();
    this.unthemed();
    unschedule(this.fit);
    this.plot?.destroy();
    this.plot = null;
  }

  private shape(d: Drawing): unknown {
    return [d.curves.map((c) => [c.unit, c.look]), d.shift === 0, d.normal, d.limits];
  }

  private data(): uPlot.AlignedData {
    const { curves, shift } = this.what;
    const all = curves.map((c) => ({ points: c.points, gap: c.gap, shift: 0 }));
    if (shift > 0) all.push(...curves.map((c) => ({ points: c.before, gap: c.gap, shift })));
    return aligned(all) as uPlot.AlignedData;
  }

  private readonly fit = (): void => {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width > 0 && height > 0) this.plot?.setSize({ width, height });
  };

  private build(): void {
    this.plot?.destroy();
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const font = `${rem * 0.82}px "Inter Variable", sans-serif`;
    const axis: uPlot.Axis = { font, stroke: COLOR.axis, grid: { stroke: COLOR.grid, width: 1 }, ticks: { stroke: COLOR.grid, width: 1, size: 4 } };
    const { curves, shift, lang } = this.what;
    const units = [...new Set(curves.map((c) => c.unit))];
    const scale = (unit: string) => `y${units.indexOf(unit)}`;
    const curve = (c: Drawing['curves'][number], past: boolean): uPlot.Series => {
      const stroke = colourOf(c.look);
      return {
        scale: scale(c.unit), stroke, alpha: past ? 0.55 : 1, width: past ? 1.1 : 1.6, dash: past ? [3, 4] : [...dashOf(c.look)], spanGaps: false,
        points: { show: true, size: past ? 3 : 4, fill: stroke, filter: (u, i) => lonely(u.data[i] ?? []) },
      };
    };
    this.plot = new uPlot(
      {
        width: Math.max(50, this.box.clientWidth),
        height: Math.max(50, this.box.clientHeight),
        legend: { show: false },
        tzDate: (s) => uPlot.tzDate(new Date(s * 1000), fmt.ZONE),
        cursor: { points: { size: 6 }, drag: { x: true, y: false, setScale: false, dist: 6 }, y: false, sync: { key: SYNC, setSeries: false } },
        scales: {
          x: { time: true, range: () => [this.what.from / 1000, this.what.to / 1000] },
          ...Object.fromEntries(units.map((unit) => [scale(unit), { range: (_u: uPlot, lo: number | null, hi: number | null) => this.span(lo, hi) }])),
        },
        series: [{}, ...curves.map((c) => curve(c, false)), ...(shift > 0 ? curves.map((c) => curve(c, true)) : [])],
        axes: [
          { ...axis, size: rem * 2.1, gap: 4, space: rem * 5, values: (_u, at) => at.map((s) => tickText(s * 1000, this.what.to - this.what.from)) },
          ...units.map((unit, i): uPlot.Axis => ({
            ...axis, scale: scale(unit), side: i === 0 ? 3 : 1, grid: i === 0 ? { stroke: COLOR.grid, width: 1 } : { show: false },
            size: rem * 4.2, gap: 4, space: rem * 2.2, values: (_u, at) => at.map((v) => fmt.number(v, digitsOf(at), lang)),
          })),
        ],
        hooks: { drawClear: [(u) => this.background(u)], draw: [(u) => this.foreground(u)], setCursor: [(u) => this.point(u)], setSelect: [(u) => this.selected(u)] },
      },
      this.data(),
      this.box,
    );
  }

  /** Values and some air; normal band and limits only as far as they do not flatten the curve. */
  private span(lo: number | null, hi: number | null): [number, number] {
    const [a, b] = [lo ?? 0, hi ?? 1];
    const air = (b - a || Math.abs(b) || 1) * 0.12;
    return [a >= 0 && a - air < 0 ? 0 : a - air, b + air];
  }

  private background(u: uPlot): void {
    const band = this.what.normal;
    if (band === null) return;
    const { left, top, width, height } = u.bbox;
    const y1 = Math.max(top, u.valToPos(band[1], 'y0', true));
    const y0 = Math.min(top + height, u.valToPos(band[0], 'y0', true));
    if (y0 <= y1) return;
    u.ctx.fillStyle = alpha(COLOR.normal, 0.12);
    u.ctx.fillRect(left, y1, width, y0 - y1);
  }

  private foreground(u: uPlot): void {
    const c = u.ctx;
    const { left, top, width, height } = u.bbox;
    const dpr = devicePixelRatio || 1;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    c.save();
    c.font = `${rem * 0.76 * dpr}px "Inter Variable", sans-serif`;
    c.textAlign = 'left';
    c.fillStyle = c.strokeStyle = COLOR.axis;
    c.lineWidth = dpr;
    c.setLineDash([8 * dpr, 5 * dpr]);
    for (const limit of this.what.limits) {
      const y = u.valToPos(limit.value, 'y0', true);
      if (y < top || y > top + height) continue;
      c.beginPath();
      c.moveTo(left, y);
      c.lineTo(left + width, y);
      c.stroke();
      const above = y - rem * dpr > top;
      c.textBaseline = above ? 'bottom' : 'top';
      c.fillText(limit.label, left + 6 * dpr, y + (above ? -2 : 3) * dpr);
    }
    c.restore();
  }

  private point(u: uPlot): void {
    const { left } = u.cursor;
    this.heard.at(left == null || left < 0 ? null : u.posToVal(left, 'x') * 1000);
  }

  private selected(u: uPlot): void {
    const { left, width } = u.select;
    if (width <= 0) return;
    const [a, b] = [u.posToVal(left, 'x') * 1000, u.posToVal(left + width, 'x') * 1000];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.heard.zoom(a, b);
  }
}
