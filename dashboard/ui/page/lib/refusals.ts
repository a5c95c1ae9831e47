// The words for what the server refuses, by the code of its answer.
import type { Key } from './dict';

export const REFUSED: ReadonlyMap<string, Key> = new Map(Object.entries({
  sign_in: 'no_session',
  not_permitted: 'no_permission',
  scope_too_small: 'no_city',
  confirm_needed: 'no_confirm',
  person_needed: 'no_person',
  change_password: 'no_password',
  set_up_totp: 'no_totp',
  too_many_attempts: 'sign_in_wait',
  too_many: 'sign_in_wait',
} satisfies Record<string, Key>));

/** `/?signin=CODE`: why a sign-in that left the page did not succeed. */
export const SIGN_IN: ReadonlyMap<string, Key> = new Map(Object.entries({
  expired: 'signin_used',
  oidc_expired: 'signin_oidc_expired',
  oidc_declined: 'signin_oidc_declined',
  oidc_unreachable: 'signin_oidc_unreachable',
  oidc_failed: 'signin_oidc_failed',
  oidc_too_weak: 'signin_oidc_weak',
  oidc_no_group: 'signin_oidc_no_group',
  oidc_disabled: 'signin_oidc_disabled',
} satisfies Record<string, Key>));
