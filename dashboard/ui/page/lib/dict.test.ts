import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { dicts, learn, text, type Key } from './dict';
import * as alerts from './words/alerts';
import * as console_ from './words/console';
import * as data from './words/data';
import * as devices from './words/devices';
import * as explore from './words/explore';
import * as look from './words/look';
import * as map from './words/map';
import * as people from './words/people';
import * as rules from './words/rules';
import * as screens from './words/screens';
import * as services from './words/services';
import * as shell from './words/shell';

const files = [console_, alerts, screens, data, devices, people, explore, look, map, rules, services, shell];
for (const words of files) learn(words);
const keys = Object.keys(dicts.vi) as Key[];
const holes = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

describe('dictionary', () => {
  it('has the same keys in both languages, and no empty text', () => {
    expect(Object.keys(dicts.en).sort()).toEqual([...keys].sort());
    for (const key of keys) for (const lang of ['vi', 'en'] as const) expect(dicts[lang][key]?.trim(), `${lang}.${key}`).toBeTruthy();
  });
  it('has the same holes in both languages', () => {
    for (const key of keys) expect(holes(dicts.en[key] ?? ''), key).toEqual(holes(dicts.vi[key] ?? ''));
  });
  it('names nothing twice', () => {
    const parts = files.flatMap((p) => Object.keys(p.vi));
    expect(parts.filter((k, i) => parts.indexOf(k) !== i)).toEqual([]);
  });
  it('is composed (NFC), so that it compares and renders alike everywhere', () => {
    for (const key of keys) expect(dicts.vi[key], key).toBe(dicts.vi[key]?.normalize('NFC'));
  });
  it('has no text that no screen shows', () => {
    const root = fileURLToPath(new URL('..', import.meta.url));
    const source = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((f) => /\.(svelte|ts)$/.test(f) && !/(^|\/)(dict|words\/\w+|.*\.test)\.ts$/.test(f))
      .map((f) => readFileSync(root + f, 'utf8'))
      .join('\n');
    expect(keys.filter((key) => !source.includes(`'${key}'`))).toEqual([]);
  });
  it('fills holes, also those that look like patterns', () => {
    expect(text('en', 'alerts_new_urgent', { n: 12, m: 3 })).toBe('12 new (3 critical)');
    expect(text('vi', 'announce_new', { n: '$&{n}' })).toBe('$&{n} cảnh báo mới');
  });
});
