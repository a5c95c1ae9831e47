// Open incidents by HTTP: the stream has alerts only. Read when a group needs them.
import { client } from './client';
import type { Incident } from './life';

const AGAIN_MS = 3000;
const MOST = 500;

export class IncidentBook {
  byId = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readAt = 0;

  /** Reads the open incidents soon, at most every three seconds; failing, at the next need. */
  want(): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.read().catch(() => {});
    }, Math.max(0, this.readAt + AGAIN_MS - Date.now()));
  }

  async read(): Promise<Incident[]> {
    this.readAt = Date.now();
    const { incidents } = await client.incidents({ open: 1, limit: MOST });
    this.byId = new Map(incidents.map((i) => [i.id, i]));
    return incidents;
  }
}
