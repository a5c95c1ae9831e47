import { describe, expect, it } from 'vitest';
import { dutyOf, grantFault, holdsInCity, wallToken, type Grant, type Session } from './access';

const city: Grant = { role: 'viewer', areas: null, services: null };
const ward: Grant = { role: 'operator', areas: ['son_tra'], services: null };
const who = (grants: Grant[], can: Session['can']): Session => ({ user: 'an', role: 'viewer', kind: 'person', grants, can });

describe('access', () => {
  it('tells what holds for the whole city from what holds in a part', () => {
    const s = who([city, ward], ['watch', 'read', 'export', 'act']);
    expect(holdsInCity(s, 'read')).toBe(true);
    expect(holdsInCity(s, 'act')).toBe(false);
    expect(holdsInCity(who([{ ...city, services: ['air'] }], ['read']), 'read')).toBe(false);
    // The server has the last word.
    expect(holdsInCity(who([city], []), 'read')).toBe(false);
  });
  it('finds what is wrong with grants', () => {
    expect(grantFault([])).toBe('none');
    expect(grantFault(Array.from({ length: 9 }, () => city))).toBe('many');
    expect(grantFault([{ ...city, areas: [] }])).toBe('areas');
    expect(grantFault([{ ...city, services: [] }])).toBe('services');
    expect(grantFault([city, ward])).toBeNull();
  });
  it('asks for the password before the second factor', () => {
    expect(dutyOf({ ...who([], []), change_password: true, set_up_totp: true })).toBe('password');
    expect(dutyOf({ ...who([], []), set_up_totp: true })).toBe('totp');
    expect(dutyOf(who([], []))).toBeNull();
  });
  it('reads a token from the fragment of a wall link, and from nothing else', () => {
    expect(wallToken('#/wall?token=iocw_abc')).toBe('iocw_abc');
    expect(wallToken('#/wall?x=1')).toBeNull();
    expect(wallToken('#/account')).toBeNull();
    expect(wallToken('?token=x')).toBeNull();
  });
});
