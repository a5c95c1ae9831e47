// A time series with uPlot: the city's zone, gaps as gaps, limits and the normal band behind it.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Lang } from './model';
import { alone, columns, type Sample } from './columns';
import * as fmt from './fmt';
import { DAY_MS } from './plan';
import { alpha, COLOR, onTheme, SEVERITY } from './theme';
import { schedule, unschedule } from './raf';
import { digitsOf, tickText } from './ticks';

export interface Mark { at: number; label: string; level: number }
export interface ChartOptions {
  lang: Lang;
  unit: string;
  digits: number;
  normal: [number, number] | null;
  limit: { value: number; level: number; label: string } | null;
  marks: Mark[];
  /** Visible stretch, ms. */
  from: number;
  to: number;
  /** Longer than this without a reading is a gap, ms. */
  gap: number;
  /** Length of the windows that the values are means of, ms; 0: single readings. */
  window: number;
  /** What the bounds of a window are called. */
  bounds: (low: string, high: string) => string;
}

export class Chart {
  private plot: uPlot | null = null;
  private readonly box: HTMLElement;
  private points: Sample[] = [];
  private opts: ChartOptions;
  private readonly resize: ResizeObserver;
  private readonly unthemed: () => void;
  private readonly onHover: (text: string) => void;

  constructor(box: HTMLElement, opts: ChartOptions, onHover: (text: string) => void) {
    this.box = box;
    this.opts = opts;
    this.onHover = onHover;
    this.resize = new ResizeObserver(() => schedule(this.fit));
    this.resize.observe(box);
    this.unthemed = onTheme(() => { if (this.plot !== null) this.build(); });
  }

  set(points: Sample[], opts: ChartOptions): void {
    this.points = points;
    this.opts = opts;
    this.build();
  }

  /** The same readings, also those that were pushed, with other words or limits. */
  restyle(opts: ChartOptions): void {
    this.set(this.points, opts);
  }

  /** Other readings in the same stretch and style; the pointer stays where it is. */
  renew(points: Sample[]): void {
    this.points = points;
    schedule(this.refresh);
  }

  /** Adds a reading at the end; older or equal times are known already. */
  push(sample: Sample, from: number, to: number): boolean {
    const last = this.points.at(-1);
    if (last !== undefined && sample[0] <= last[0]) return false;
    this.points.push(sample);
    let drop = 0;
    while (drop < this.points.length && (this.points[drop] as Sample)[0] < from) drop += 1;
    if (drop > 0) this.points.splice(0, drop);
    this.opts = { ...this.opts, from, to };
    schedule(this.refresh);
    return true;
  }

  /** Lets the visible stretch follow the clock. */
  slide(from: number, to: number): void {
    this.opts = { ...this.opts, from, to };
    schedule(this.refresh);
  }

  destroy(): void {
    this.resize.disconnect();
    this.unthemed();
    unschedule(this.refresh);
    unschedule(this.fit);
    this.plot?.destroy();
    this.plot = null;
  }

  private readonly refresh = (): void => {
    if (this.plot === null) return;
    this.plot.setData(columns(this.points, this.opts.gap), false);
    this.plot.setScale('x', { min: this.opts.from / 1000, max: this.opts.to / 1000 });
  };

  private readonly fit = (): void => {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width > 0 && height > 0) this.plot?.setSize({ width, height });
  };

  private build(): void {
    this.plot?.destroy();
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const font = `${rem * 0.82}px "Inter Variable", sans-serif`;
    const o = this.opts;
    const axis: uPlot.Axis = {
      font, stroke: COLOR.axis, grid: { stroke: COLOR.grid, width: 1 }, ticks: { stroke: COLOR.grid, width: 1, size: 4 },
    };
    this.plot = new uPlot(
      {
        width: Math.max(50, this.box.clientWidth),
        height: Math.max(50, this.box.clientHeight),
        legend: { show: false },
        tzDate: (s) => uPlot.tzDate(new Date(s * 1000), fmt.ZONE),
        cursor: { points: { size: 6 }, drag: { x: false, y: false }, y: false },
        scales: {
          x: { time: true, range: () => [this.opts.from / 1000, this.opts.to / 1000] },
          y: { range: (_u, lo, hi) => this.span(lo, hi) },
        },
        series: [
          {},
          {
            stroke: COLOR.series, width: 1.5, spanGaps: false,
            points: { show: true, size: 4, fill: COLOR.series, filter: (u, i) => (this.points.length < 40 ? null : alone(u.data[i] ?? [])) },
          },
          { stroke: COLOR.normal, width: 0, points: { show: true, size: 6, width: 1.2, fill: COLOR.ground, stroke: COLOR.normal } },
          { width: 0, points: { show: false } },
          { width: 0, points: { show: false } },
        ],
        bands: [{ series: [4, 3], fill: alpha(COLOR.series, 0.24) }],
        axes: [
          { ...axis, size: rem * 2.1, gap: 4, space: rem * 5, values: (_u, at) => at.map((s) => tickText(s * 1000, this.opts.to - this.opts.from)) },
          {
            ...axis, size: rem * 4.2, gap: 4, space: rem * 2.2,
            values: (_u, at) => at.map((v) => fmt.number(v, digitsOf(at), o.lang)),
          },
        ],
        hooks: {
          drawClear: [(u) => this.background(u)],
          draw: [(u) => this.foreground(u)],
          setCursor: [(u) => this.hover(u)],
        },
      },
      columns(this.points, o.gap),
      this.box,
    );
  }

  /** Values, limit and some air; the normal band only as far as it does not flatten the curve. */
  private span(lo: number | null, hi: number | null): [number, number] {
    let a = lo ?? 0;
    let b = hi ?? 1;
    const limit = this.opts.limit?.value;
    if (limit !== undefined) {
      a = Math.min(a, limit);
      b = Math.max(b, limit);
    }
    const air = (b - a || Math.abs(b) || 1) * 0.1;
    return [a >= 0 && a - air < 0 ? 0 : a - air, b + air];
  }

  private background(u: uPlot): void {
    const band = this.opts.normal;
    if (band === null) return;
    const { left, top, width, height } = u.bbox;
    const y1 = Math.max(top, u.valToPos(band[1], 'y', true));
    const y0 = Math.min(top + height, u.valToPos(band[0], 'y', true));
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
    c.beginPath();
    c.rect(left, top, width, height);
    c.clip();
    c.font = `600 ${rem * 0.78 * dpr}px "Inter Variable", sans-serif`;
    c.textBaseline = 'bottom';
    const limit = this.opts.limit;
    if (limit !== null) {
      const y = u.valToPos(limit.value, 'y', true);
      c.strokeStyle = alpha(SEVERITY[limit.level] as string, 0.9);
      c.lineWidth = 1.25 * dpr;
      c.setLineDash([6 * dpr, 4 * dpr]);
      c.beginPath();
      c.moveTo(left, y);
      c.lineTo(left + width, y);
      c.stroke();
      c.fillStyle = SEVERITY[limit.level] as string;
      c.textAlign = 'left';
      c.fillText(limit.label, left + 6 * dpr, y - 3 * dpr);
    }
    c.textBaseline = 'top';
    for (const mark of this.opts.marks) {
      const x = u.valToPos(mark.at / 1000, 'x', true);
      if (x < left || x > left + width) continue;
      const colour = mark.level > 0 ? (SEVERITY[mark.level] as string) : COLOR.text;
      c.strokeStyle = alpha(mark.level > 0 ? colour : COLOR.normal, 0.85);
      c.lineWidth = 1.25 * dpr;
      c.setLineDash([]);
      c.beginPath();
      c.moveTo(x, top);
      c.lineTo(x, top + height);
      c.stroke();
      c.fillStyle = colour;
      const rightHalf = x > left + width * 0.75;
      c.textAlign = rightHalf ? 'right' : 'left';
      c.fillText(mark.label, x + (rightHalf ? -5 : 5) * dpr, top + 4 * dpr);
    }
    c.restore();
  }

  private hover(u: uPlot): void {
    const i = u.cursor.idx;
    if (i == null) {
      this.onHover('');
      return;
    }
    const ms = (u.data[0][i] as number) * 1000;
    const value = u.data[1]?.[i] ?? u.data[2]?.[i];
    if (value == null) {
      this.onHover('');
      return;
    }
    const { digits, unit, lang, window } = this.opts;
    const [low, high] = [u.data[3]?.[i], u.data[4]?.[i]];
    const when = window >= DAY_MS ? fmt.date(ms) : window > 0 ? `${fmt.hourMinute(ms)} ${fmt.date(ms)}` : fmt.dateTime(ms);
    const spread = low == null || high == null ? '' : ` (${this.opts.bounds(fmt.number(low, digits, lang), fmt.number(high, digits, lang))})`;
    this.onHover(`${when} · ${fmt.quantity(value, digits, unit, lang)}${spread}`);
  }
}
