import { describe, expect, it } from 'vitest';
import * as fmt from './fmt';

const T = Date.UTC(2026, 10, 22, 1, 5, 9);

describe('times', () => {
  it('are those of Đà Nẵng, padded, with a four-digit year, whatever the zone of the browser', () => {
    expect(fmt.dateTime(T)).toBe('08:05:09 22/11/2026');
    expect(fmt.time(Date.UTC(2026, 10, 22, 17, 0, 0))).toBe('00:00:00');
    expect(fmt.date(Date.UTC(2026, 11, 31, 17, 0, 0))).toBe('01/01/2027');
    expect(fmt.iso(T)).toBe('2026-11-22T08:05:09+07:00');
  });
  it('agree with the time zone data base', () => {
    const intl = new Intl.DateTimeFormat('en-GB', { timeZone: fmt.ZONE, hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    for (let ms = Date.UTC(2000, 0, 1); ms < Date.UTC(2040, 0, 1); ms += 40 * 86_400_000 + 12_345_678) {
      expect(fmt.time(ms)).toBe(intl.format(ms));
    }
  });
  it('carry their date only on another day', () => {
    expect(fmt.timeNear(T, T + 60_000)).toBe('08:05:09');
    expect(fmt.timeNear(T, T + 86_400_000)).toBe('08:05:09 22/11/2026');
  });
});

describe('numbers', () => {
  it('follow the language', () => {
    expect(fmt.number(1234567.891, 2, 'vi')).toBe('1.234.567,89');
    expect(fmt.number(1234567.891, 2, 'en')).toBe('1,234,567.89');
    expect(fmt.quantity(42.5, 1, 'km/h', 'vi')).toBe('42,5 km/h');
    expect(fmt.quantity(12.3, 1, '%', 'vi')).toBe('12,3%');
  });
  it('show no value as a dash and no negative zero', () => {
    for (const v of [null, undefined, NaN, Infinity]) expect(fmt.quantity(v, 1, 'm', 'vi')).toBe('—');
    expect(fmt.number(-0.04, 1, 'vi')).toBe('0,0');
    expect(fmt.number(-0.06, 1, 'vi')).toBe('-0,1');
  });
});

describe('ages', () => {
  it('are short and never negative', () => {
    const s = 1000;
    expect([-5 * s, 12 * s, 59.9 * s, 60 * s, 5 * 60 * s, 3600 * s * 2 + 5 * 60 * s, 86_400 * 3 * s].map((ms) => fmt.age(ms, 'vi'))).toEqual([
      '0 giây', '12 giây', '59 giây', '1 phút', '5 phút', '2 giờ 05', '3 ngày',
    ]);
    expect(fmt.age(2 * 3_600_000 + 300_000, 'en')).toBe('2 h 05');
    expect([fmt.seconds(430, 'vi'), fmt.seconds(430, 'en'), fmt.seconds(12_900, 'vi')]).toEqual(['0,4 s', '0.4 s', '12 s']);
  });
});
