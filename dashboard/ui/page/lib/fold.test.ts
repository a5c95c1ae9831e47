import { describe, expect, it } from 'vitest';
import { fold, matches } from './fold';

describe('fold', () => {
  it('strips Vietnamese marks, and đ too', () => {
    expect(fold('Đà Nẵng')).toBe('da nang');
    expect(fold('  Điện   Bàn ĐÔNG ')).toBe('dien ban dong');
    expect(fold('Ngũ Hành Sơn')).toBe('ngu hanh son');
  });
  it('is the same for composed and decomposed text', () => {
    const name = 'Phường Thanh Khê – Đường Nguyễn Tất Thành';
    expect(fold(name.normalize('NFD'))).toBe(fold(name.normalize('NFC')));
  });
});

describe('matches', () => {
  it('wants every word, in any order', () => {
    const text = fold('Tháp báo ngập Điện Biên Phủ');
    expect(matches(text, fold('phu ngap'))).toBe(true);
    expect(matches(text, fold('ngập Huế'))).toBe(false);
    expect(matches(text, '')).toBe(true);
  });
});
