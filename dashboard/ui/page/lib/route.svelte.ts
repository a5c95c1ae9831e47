// All state of the view lives in the URL (console.md C11).
import { VIEWS, type WallView } from './access';
import { isStateFilter } from './filter';
import type { GroupBy } from './grouping';
import type { Lang } from './model';
import type { Sort } from './order';
import { RANGES } from './plan';

export const SCREENS = [
  '', 'map', 'alerts', 'services', 'explore', 'shift', 'kpi', 'holds', 'rules', 'devices', 'device', 'notify', 'ledger', 'data', 'people', 'audit', 'account',
] as const;
export type ScreenName = (typeof SCREENS)[number];
export const TABS = ['list', 'held', 'closed'] as const;
export type Tab = (typeof TABS)[number];
/** '': as the system wants it. */
export const THEMES = ['', 'dark', 'light', 'contrast'] as const;
export type Theme = (typeof THEMES)[number];
/** Hours that the figures can look back. */
export const SPANS = [8, 24, 168, 720] as const;

export interface View {
  lang: Lang;
  /** '' is the console with map and list. */
  screen: ScreenName;
  tab: Tab;
  /** `auto`: ungrouped, by ward and service in a flood. */
  group: GroupBy | 'auto';
  /** A state of ISA-18.2 or of the work, or ''. */
  state: string;
  mine: boolean;
  overdue: boolean;
  /** Hours of the figures. */
  span: number;
  /** Lowest severity level shown, 1 to 5. */
  sev: number;
  service: string;
  area: string;
  unacked: boolean;
  sort: Sort;
  q: string;
  /** Open alert, or ''. */
  alert: string;
  /** Open device, or ''. */
  device: string;
  /** Property and hours of the device chart. */
  prop: string;
  hours: number;
  /** `lat,lon,zoom`, or '' for the city's own view. */
  map: string;
  /** What the map shows beside the devices: words by comma, '' for the usual. */
  layers: string;
  /** Open rule, or ''. */
  rule: string;
  /** A part of the screen that is open (a tab of its own), '' the first. */
  part: string;
  /** Series that are compared: `device:property` by comma. */
  series: string;
  /** How the explorer draws them, and with which past beside it. */
  mode: '' | 'overlay';
  compare: '' | 'day' | 'week';
  /** Span of the explorer, ms; 0: the last `hours`. */
  from: number;
  to: number;
  theme: Theme;
  /** What a wall shows (path /wall), or '': no wall. */
  wall: '' | WallView;
  /** Seconds for which a wall shows one view before the next; 0: it stays. */
  rotate: number;
}

const DEFAULTS: View = {
  lang: 'vi', screen: '', tab: 'list', group: 'auto', state: '', mine: false, overdue: false, span: 24, sev: 1, service: '', area: '', unacked: false, sort: 'severity', q: '',
  alert: '', device: '', prop: '', hours: 24, map: '', layers: '', rule: '', part: '', series: '', mode: '', compare: '', from: 0, to: 0, theme: '', wall: '', rotate: 0,
};

/** Reads a path and a query; whatever is not understood is its default. */
export function parse(path: string, search: string, lang: Lang, theme: Theme = rememberedTheme()): View {
  const p = new URLSearchParams(search);
  const one = <T extends string>(words: readonly T[], word: string | null, otherwise: T): T => words.find((w) => w === word) ?? otherwise;
  const span = Number(p.get('span'));
  const state = p.get('state') ?? '';
  const deep = /^\/(a|d|r)\/([A-Za-z0-9_.:-]{1,64})$/.exec(path);
  const sev = Number(p.get('sev'));
  const hours = Number(p.get('hours'));
  const asked = p.get('lang');
  return {
    lang: asked === 'vi' || asked === 'en' ? asked : lang,
    screen: deep?.[1] === 'r' ? 'rules' : one(SCREENS, path.slice(1) || p.get('screen'), one(SCREENS, p.get('screen'), '')),
    tab: one(TABS, p.get('tab'), 'list'),
    group: one(['auto', 'none', 'incident', 'place'] as const, p.get('group'), 'auto'),
    state: isStateFilter(state) ? state : '',
    mine: p.get('mine') === '1',
    overdue: p.get('overdue') === '1',
    span: SPANS.find((h) => h === span) ?? 24,
    sev: Number.isInteger(sev) && sev >= 1 && sev <= 5 ? sev : 1,
    service: p.get('service') ?? '',
    area: p.get('area') ?? '',
    unacked: p.get('unacked') === '1',
    sort: p.get('sort') === 'time' ? 'time' : 'severity',
    q: p.get('q') ?? '',
    alert: deep?.[1] === 'a' ? (deep[2] ?? '') : (p.get('alert') ?? ''),
    device: deep?.[1] === 'd' ? (deep[2] ?? '') : (p.get('device') ?? ''),
    prop: p.get('prop') ?? '',
    hours: RANGES.find((h) => h === hours) ?? DEFAULTS.hours,
    map: p.get('map') ?? '',
    layers: p.get('layers') ?? '',
    rule: deep?.[1] === 'r' ? (deep[2] ?? '') : (p.get('rule') ?? ''),
    part: p.get('part') ?? '',
    series: p.get('series') ?? '',
    mode: one(['', 'overlay'] as const, p.get('mode'), ''),
    compare: one(['', 'day', 'week'] as const, p.get('compare'), ''),
    from: moment(p.get('from')),
    to: moment(p.get('to')),
    theme: one(THEMES, p.get('theme'), theme),
    wall: path === '/wall' ? one(VIEWS, p.get('view'), 'overview') : '',
    rotate: turnsEvery(p.get('rotate')),
  };
}

/** Whole seconds from five to an hour; 0: it does not turn. */
function turnsEvery(word: string | null): number {
  const n = Number(word);
  return Number.isInteger(n) && n > 0 ? Math.min(3600, Math.max(5, n)) : 0;
}

/** Milliseconds since the epoch, 0 when there are none. */
function moment(word: string | null): number {
  const n = Number(word);
  return Number.isSafeInteger(n) && n > 0 ? n : 0;
}

/** The query of a view: only what differs from the defaults, but always the language. */
export function print(v: View): string {
  const p = new URLSearchParams();
  if (v.screen !== '') p.set('screen', v.screen);
  if (v.span !== DEFAULTS.span) p.set('span', String(v.span));
  if (v.tab !== DEFAULTS.tab) p.set('tab', v.tab);
  if (v.group !== DEFAULTS.group) p.set('group', v.group);
  if (v.state !== '') p.set('state', v.state);
  if (v.mine) p.set('mine', '1');
  if (v.overdue) p.set('overdue', '1');
  if (v.alert !== '') p.set('alert', v.alert);
  if (v.device !== '') p.set('device', v.device);
  if (v.prop !== '') p.set('prop', v.prop);
  if (v.hours !== DEFAULTS.hours) p.set('hours', String(v.hours));
  if (v.sev !== DEFAULTS.sev) p.set('sev', String(v.sev));
  if (v.service !== '') p.set('service', v.service);
  if (v.area !== '') p.set('area', v.area);
  if (v.unacked) p.set('unacked', '1');
  if (v.sort !== DEFAULTS.sort) p.set('sort', v.sort);
  if (v.q !== '') p.set('q', v.q);
  for (const word of ['map', 'layers', 'rule', 'part', 'series', 'mode', 'compare', 'theme'] as const) if (v[word] !== '') p.set(word, v[word]);
  if (v.wall !== '') p.set('view', v.wall);
  if (v.rotate > 0) p.set('rotate', String(v.rotate));
  if (v.from > 0) p.set('from', String(v.from));
  if (v.to > 0) p.set('to', String(v.to));
  p.set('lang', v.lang);
  return `?${p.toString().replaceAll('%2C', ',').replaceAll('%3A', ':')}`;
}

const LANG_KEY = 'ioc.lang';

function remembered(): Lang {
  try {
    return localStorage.getItem(LANG_KEY) === 'en' ? 'en' : 'vi';
  } catch {
    return 'vi';
  }
}

const THEME_KEY = 'ioc.theme';

function rememberedTheme(): Theme {
  try {
    return THEMES.find((word) => word === localStorage.getItem(THEME_KEY)) ?? '';
  } catch {
    return '';
  }
}

export class Route {
  view = $state.raw<View>({ ...DEFAULTS });
  /** Asked before the view changes; false: it stays (something unsaved is open). */
  leaving: ((next: View) => boolean) | null = null;

  start(): void {
    this.read();
    addEventListener('popstate', this.read);
    addEventListener('hashchange', this.read);
  }

  /** What the address bar says. */
  read = (): void => {
    const next = parse(/^#\/(\w+)$/.exec(location.hash)?.[0].slice(1) ?? location.pathname, location.search, remembered());
    if (this.leaving?.(next) === false) history.pushState(null, '', location.pathname.replace(/^\/[ard]\/.*/, '/') + print(this.view));
    else this.view = next;
  };

  /** Changes the view. `push` makes a step that the Back button undoes. */
  set(patch: Partial<View>, push = false): void {
    const next = { ...this.view, ...patch };
    if (this.leaving?.(next) === false) return;
    this.view = next;
    if (patch.lang !== undefined) {
      try {
        localStorage.setItem(LANG_KEY, next.lang);
      } catch {
        // Without storage the URL still carries the language.
      }
    }
    if (patch.theme !== undefined) {
      try {
        localStorage.setItem(THEME_KEY, next.theme);
      } catch {
        // Here too.
      }
    }
    const path = next.wall !== '' ? '/wall' : '/';
    const url = path + print(next);
    if (url === location.pathname + location.search) return;
    if (push) history.pushState(null, '', url);
    else history.replaceState(history.state, '', url);
  }

  get filtered(): boolean {
    const v = this.view;
    return v.sev > 1 || v.service !== '' || v.area !== '' || v.unacked || v.state !== '' || v.mine || v.overdue || v.q !== '';
  }
}
