// Brings the map and its words when it is first shown: Leaflet is no part of the start.
import type { Component } from 'svelte';
import { learn } from './dict';

let asked: Promise<Component> | null = null;

async function load(): Promise<Component> {
  const [stage, words] = await Promise.all([import('../parts/MapStage.svelte'), import('./words/map')]);
  learn(words);
  return stage.default;
}

/** The same promise for every map; after a failure the next call asks again. */
export function mapStage(): Promise<Component> {
  asked ??= load().catch((e) => {
    asked = null;
    throw e;
  });
  return asked;
}
