// What the action dialog holds, and the action it makes of it. Pure.
import type { Action, ActionWord, Assignee } from './life';
import { fromLocal, until, wrong, type Preset } from './shelf';

export interface Form {
  note: string; text: string; reason: string; kind: Assignee['kind']; name: string; preset: Preset | 'custom'; custom: string;
  url: string; title: string; into: string;
}
export type Field = 'text' | 'reason' | 'name' | 'until' | 'url' | 'title' | 'into';
export type Fault = 'missing' | 'past' | 'long' | 'bad_url';
export type Faults = Partial<Record<Field, Fault>>;

export const emptyForm = (): Form => ({
  note: '', text: '', reason: '', kind: 'person', name: '', preset: '1h', custom: '', url: '', title: '', into: '',
});

const safe = (url: string) => /^(https?:\/\/[^\s]+|\/(?!\/)[^\s]*)$/i.test(url);

/** End of the shelf that the form asks for. */
export const shelfEnd = (f: Form, now: number): number | null => (f.preset === 'custom' ? fromLocal(f.custom) : until(f.preset, now));

/** The action, or what is missing. `max` is the longest shelf in ms, null when the server decides. */
export function build(word: ActionWord, f: Form, now: number, max: number | null): { action: Action } | { faults: Faults } {
  const note = f.note.trim() === '' ? {} : { note: f.note.trim() };
  const faults: Faults = {};
  const need = (field: Field, text: string): string => {
    if (text.trim() === '') faults[field] = 'missing';
    return text.trim();
  };
  const action = ((): Action => {
    switch (word) {
      case 'assign': return { action: word, to: { kind: f.kind, name: need('name', f.name) }, ...note };
      case 'comment': return { action: word, text: need('text', f.text) };
      case 'link': {
        const url = need('url', f.url);
        if (url !== '' && !safe(url)) faults.url = 'bad_url';
        return { action: word, link: { url, title: need('title', f.title) } };
      }
      case 'shelve': {
        const end = shelfEnd(f, now);
        const fault = wrong(end, now, max);
        if (fault !== null) faults.until = fault;
        return { action: word, until: end ?? 0, reason: need('reason', f.reason) };
      }
      case 'reject': return { action: word, reason: need('reason', f.reason) };
      case 'merge': return { action: word, into: need('into', f.into) };
      default: return { action: word, ...note };
    }
  })();
  return Object.keys(faults).length > 0 ? { faults } : { action };
}
