// The screens beside the console: each comes with its words when it is first opened.
import type { Component } from 'svelte';
import { learn, type Words } from './dict';
import type { ScreenName } from './route.svelte';

type Loaded = { default: Component };

/**
 * A screen, and the words that come with it. Always the same promise: with another one the page
 * would make the screen anew at each change of the view, and what is typed there would lose its focus.
 */
const of = (screen: () => Promise<Loaded>, ...words: (() => Promise<Words>)[]) => {
  let asked: Promise<Component> | null = null;
  const load = async () => {
    const [loaded, ...learned] = await Promise.all([screen(), ...words.map((w) => w())]);
    learned.forEach(learn);
    return loaded.default;
  };
  return (): Promise<Component> => (asked ??= load());
};

export const screens: Record<Exclude<ScreenName, ''>, () => Promise<Component>> = {
  map: of(() => import('../parts/MapScreen.svelte'), () => import('./words/map')),
  alerts: of(() => import('../parts/AlertsScreen.svelte'), () => import('./words/services')),
  services: of(() => import('../parts/ServicesScreen.svelte'), () => import('./words/services')),
  explore: of(() => import('../parts/ExploreScreen.svelte'), () => import('./words/explore')),
  device: of(() => import('../parts/DeviceScreen.svelte'), () => import('./words/explore')),
  rules: of(() => import('../parts/RulesScreen.svelte'), () => import('./words/rules')),
  notify: of(() => import('../parts/NotifyScreen.svelte'), () => import('./words/services')),
  ledger: of(() => import('../parts/LedgerScreen.svelte'), () => import('./words/services')),
  shift: of(() => import('../parts/ShiftScreen.svelte')),
  kpi: of(() => import('../parts/Kpi.svelte')),
  holds: of(() => import('../parts/Holds.svelte')),
  devices: of(() => import('../parts/DevicesScreen.svelte')),
  data: of(() => import('../parts/DataScreen.svelte')),
  people: of(() => import('../parts/PeopleScreen.svelte')),
  audit: of(() => import('../parts/AuditScreen.svelte')),
  account: of(() => import('../parts/AccountScreen.svelte')),
};
