import { describe, expect, it } from 'vitest';
import { badgeAt, type Paint } from './paint';
import type { Ward } from './geo';

describe('the badge of a ward', () => {
  // A map of 400 × 300 px that shows world pixels one to one.
  const at = (ox: number, oy: number) => ({ c: { canvas: { width: 400, height: 300 }, getTransform: () => ({ a: 1 }) }, k: 1, ox, oy, scale: 1, lang: 'vi' }) as unknown as Paint;
  /** An L: its upper right quarter is another ward. */
  const ward = { cx: 100, cy: 150, box: [0, 0, 200, 200], rings: [[[0, 0], [100, 0], [100, 100], [200, 100], [200, 200], [0, 200]]] } as unknown as Ward;

  it('is at its middle while that is in sight', () => {
    expect(badgeAt(at(0, 0), ward)).toEqual({ x: 100, y: 150 });
  });
  it('is within what is seen of the ward when its middle is not', () => {
    const spot = badgeAt(at(-150, 0), ward);
    // Of the lower arm 50 px are left in sight: 28 of them are the edge.
    expect(spot?.x).toBe(28);
    expect(spot?.y).toBeGreaterThan(100);
    expect(spot?.y).toBeLessThanOrEqual(200);
  });
  it('is nowhere when nothing of the ward is in sight', () => {
    expect(badgeAt(at(-900, 0), ward)).toBeNull();
  });
});
