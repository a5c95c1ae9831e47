import { describe, expect, it } from 'vitest';
import type { Alert } from './life';
import { alert } from './testing';
import { compare, next } from './order';

const ids = (list: Alert[], sort: 'severity' | 'time') => [...list].sort((a, b) => compare(a, b, sort)).map((a) => a.id);

describe('order', () => {
  const list = [
    alert('seen-emergency', { severity: 'emergency', acknowledged: true, raised_at: 9 }),
    alert('minor-new', { raised_at: 8 }),
    alert('minor-old', { raised_at: 2 }),
    alert('major-returned', { severity: 'major', condition: 'returned', raised_at: 7 }),
    alert('major', { severity: 'major', raised_at: 1 }),
  ];
  it('puts the severe first, then the new', () => {
    expect(ids(list, 'severity')).toEqual(['seen-emergency', 'major-returned', 'major', 'minor-new', 'minor-old']);
  });
  it('does not move a row when somebody acknowledges it or its cause goes', () => {
    const before = ids(list, 'severity');
    const after = list.map((a) => ({ ...a, acknowledged: !a.acknowledged, condition: 'returned' as const, cleared_at: 99 }));
    expect(ids(after, 'severity')).toEqual(before);
  });
  it('by time puts the newest first', () => {
    expect(ids(list, 'time')).toEqual(['seen-emergency', 'minor-new', 'major-returned', 'minor-old', 'major']);
  });
  it('does not depend on the order of arrival', () => {
    const same = ['c', 'a', 'b'].map((id) => alert(id));
    expect(ids(same, 'severity')).toEqual(['a', 'b', 'c']);
    expect(ids([...same].reverse(), 'severity')).toEqual(['a', 'b', 'c']);
  });
});

describe('a frozen list', () => {
  it('keeps every row in its place while new ones wait', () => {
    const r = next(['a', 'b', 'c'], ['x', 'c', 'a', 'y'], true);
    expect(r.ids).toEqual(['a', 'b', 'c']);
    expect(r.waiting).toEqual(['x', 'y']);
  });
  it('shows what is wanted as soon as it is released', () => {
    expect(next(['a', 'b'], ['x', 'b'], false)).toEqual({ ids: ['x', 'b'], waiting: [] });
  });
  it('has nothing to keep when it was empty', () => {
    expect(next([], ['x'], true)).toEqual({ ids: ['x'], waiting: [] });
  });
});
