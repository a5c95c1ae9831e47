// Unsaved texts of rules: of this tab, over a reload.
export interface Draft { text: string; base: string; version: number; note: string }

export const draftKey = (user: string, what: string): string => `ioc.rule ${user} ${what}`;

export function readDraft(key: string): Draft | null {
  try {
    const d = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Partial<Draft> | null;
    return d !== null && typeof d.text === 'string' && typeof d.base === 'string' && typeof d.version === 'number' ? { text: d.text, base: d.base, version: d.version, note: d.note ?? '' } : null;
  } catch {
    return null;
  }
}

export function writeDraft(key: string, draft: Draft): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // Without storage a reload loses the text; leaving asks all the same.
  }
}

export function forgetDraft(key: string): void {
  try {
    sessionStorage.removeItem(key);
  } catch {
    // As above.
  }
}
