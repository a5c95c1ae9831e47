// The language of the page, and the texts in it.
import { text, type Key } from './dict';
import type { Text } from './model';
import { Route } from './route.svelte';

const SEVERITY_KEYS = ['sev_none', 'sev_info', 'sev_minor', 'sev_major', 'sev_critical', 'sev_emergency'] as const;

export class Words {
  readonly route = new Route();

  get lang() {
    return this.route.view.lang;
  }
  t = (key: Key, with_?: Record<string, string | number>): string => text(this.lang, key, with_);
  pick = (t: Text | null | undefined, otherwise = ''): string => (t ? t[this.lang] || t.vi : '') || otherwise;
  severityName = (l: number): string => this.t(SEVERITY_KEYS[l] ?? 'sev_none');
}
