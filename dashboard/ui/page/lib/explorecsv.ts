// The file of what the explorer shows: the rows are the server's own export, series by series in the same
// windows (so it is on the record who took them), under a head that says what was chosen.
import { ApiError, query } from './api';
import type { Asked } from './exploreload';
import type { Span } from './explorespan';
import * as fmt from './fmt';
import type { Lang } from './model';
import { beginOf, type Windows } from './plan';

const BOM = '\uFEFF';
const TIMEOUT_MS = 120_000;

/** A cell of the head; texts that a spreadsheet would compute are not left as they are. */
const cell = (text: string): string => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

export const headOf = (lines: readonly (readonly [string, string])[]): string => lines.map(([k, v]) => `${cell(k)},${cell(v)}\r\n`).join('');

/** Files of the server one after another: one BOM, the names of the columns once as long as they are the same. */
export function joined(head: string, files: readonly string[]): string {
  let [out, columns] = [BOM + head, ''];
  for (const file of files) {
    const text = file.startsWith(BOM) ? file.slice(1) : file;
    const end = text.indexOf('\n') + 1;
    const names = text.slice(0, end);
    if (names !== columns) out += `\r\n${names}`;
    columns = names;
    out += text.slice(end);
  }
  return out;
}

/** Where the server's own rows of one series are. */
function rowsAt(s: { device: string; property: string }, span: Span, windows: Windows | null, lang: Lang): string {
  const from = windows === null ? Math.floor(span.from) : beginOf(span.from, windows);
  return `/api/v1/export${query({ format: 'csv', device: s.device, property: s.property, from, to: Math.ceil(span.to), step: windows?.step, offset: windows?.offset || null, lang })}`;
}

export async function download(all: readonly Asked[], spans: readonly Span[], windows: Windows | null, lang: Lang, head: string): Promise<Blob> {
  const files: string[] = [];
  // One after another: the server makes few exports at a time.
  for (const span of spans) {
    for (const s of all) {
      const answer = await fetch(rowsAt(s, span, windows, lang), { credentials: 'same-origin', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) {
        const told = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
        throw new ApiError(answer.status, told, Number(answer.headers.get('retry-after')) || null);
      }
      files.push(await answer.text());
    }
  }
  return new Blob([joined(head, files)], { type: 'text/csv;charset=utf-8' });
}

export const fileName = (span: Span): string => `ioc-${fmt.iso(span.from).slice(0, 16).replace(':', '')}-${fmt.iso(span.to).slice(0, 16).replace(':', '')}.csv`;
