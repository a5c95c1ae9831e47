import { describe, expect, it } from 'vitest';
import { cell, filterText, serverFilter, sheet } from './alertsheet';
import { parse } from './route.svelte';
import { alert } from './testing';

const view = (q: string) => parse('/', q, 'en');

describe('the sheet of alerts', () => {
  it('is the server\'s when the server knows the whole filter', () => {
    expect(serverFilter(view('?sev=3&service=air&unacked=1&state=assigned'))).toEqual({ open: 1, held: 0, acknowledged: 0, overdue: null, work: 'assigned', service: 'air', area: '', min_severity: 'major', lang: 'en' });
    expect(serverFilter(view('?tab=held'))?.held).toBe(1);
  });
  it.each(['?q=ngap', '?mine=1', '?state=RTNUN', '?tab=closed'])('is made in the page for %s, of which the server knows only a part', (q) => {
    expect(serverFilter(view(q))).toBe(null);
  });
  it('says its filter, without what the tab does not use', () => {
    expect(filterText(view('?tab=closed&mine=1&q=cau&sev=2'))).toBe('tab=closed&min_severity=minor&q=cau');
    expect(filterText(view('?state=UNACK&mine=1'))).toBe('tab=list&state=UNACK&mine=1');
  });
  it('has no cell that runs as a formula, and no cell that is two', () => {
    expect(cell('=1+1')).toBe(`"'=1+1"`);
    expect(cell('  @SUM(A1)')).toBe(`"'  @SUM(A1)"`);
    expect(cell('＝1')).toBe(`"'＝1"`);
    expect(cell('a,b')).toBe('"a,b"');
    expect(cell('say "x";')).toBe('"say ""x"";"');
    expect(cell('mưa lớn')).toBe('mưa lớn');
  });
  it('begins with a mark, says when, who and what, and has a row for each alert', () => {
    const names = { lang: 'vi' as const, time: (ms: number) => `t${ms}`, severity: () => 'S', state: () => 'T', work: () => 'W', area: (id: string) => id, service: (id: string) => id };
    const lines = sheet([alert('a', { note: '=x' }), alert('b')], { at: 'now', by: 'lan', filter: 'tab=list&q=x', more: true }, names).split('\r\n');
    expect(lines[0]).toBe('\uFEFFLúc,now');
    expect(lines.slice(1, 4)).toEqual(['Người xuất,lan', 'Bộ lọc,tab=list&q=x', 'Số cảnh báo,2+']);
    expect(lines[5]?.split(',').length).toBe(18);
    expect(lines[6]).toBe(`a,S,T,W,t1000,,,,,hai_chau,air,d,r,x,1,1,m,"'=x"`);
    expect(lines.length).toBe(9);
  });
});
