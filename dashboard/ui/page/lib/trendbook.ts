// The trends of this page. They wait while somebody reads a chart, which asks for history of its own.
import { app } from './app.svelte';
import { client } from './client';
import { Trends } from './trends.svelte';
import { LIVE, stateOf } from './wire';

export const trends = new Trends({
  read: (q) => client.history({ ...q, offset: null, agg: 'mean', limit: 100 }),
  now: () => app.live.dataNow(),
  busy: () => document.hidden || app.live.resuming || app.route.view.device !== '' || app.route.view.alert !== '',
  who: () => app.user,
});

/** The device whose history stands for a service: `before` as long as it is there, else the first one that sends. */
export function stationOf(service: string, property: string, before: string): string {
  const table = app.places.devices;
  const fits = (i: number) => table.list[i]?.service === service && (table.list[i]?.properties.includes(property) ?? false);
  const was = table.indexOf(before);
  if (was !== undefined && fits(was)) return before;
  const found = table.list.findIndex((_, i) => fits(i) && stateOf(table.status[i] as number) === LIVE);
  return table.list[found]?.id ?? '';
}
