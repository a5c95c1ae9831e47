// The city as it rarely changes: areas, services, properties, devices, rules; and their names.
import { client } from './client';
import { why } from './api';
import { DeviceTable } from './devices';
import type { Alert } from './life';
import type { Area, City, Property, Rule, Service } from './model';
import type { Words } from './words.svelte';
import * as fmt from './fmt';

export class Places {
  readonly devices = new DeviceTable();
  city = $state.raw<City | null>(null);
  /** GeoJSON of the areas, or why it is missing. */
  map = $state.raw<GeoJSON.FeatureCollection | null>(null);
  mapFailed = $state('');
  rules = $state.raw<ReadonlyMap<string, Rule>>(new Map());
  /** Grows with each new device list. */
  rev = $state(0);
  areas: ReadonlyMap<string, Area> = new Map();
  services: ReadonlyMap<string, Service> = new Map();
  properties: ReadonlyMap<string, Property> = new Map();
  /** A request for the device list is under way. */
  fetching: Promise<void> | null = null;
  /** Called when names may have changed. */
  renamed: () => void = () => {};
  private readonly words: Words;

  constructor(words: Words) {
    this.words = words;
  }

  areaName = (id: string): string =>
    id === 'unassigned' ? this.words.t('unassigned') : this.words.pick(this.areas.get(id)?.name, id);
  serviceName = (id: string): string => this.words.pick(this.services.get(id)?.name, id);
  propertyName = (id: string): string => this.words.pick(this.properties.get(id)?.name, id);
  ruleName = (id: string): string => this.words.pick(this.rules.get(id)?.name, id);
  deviceName = (id: string): string => {
    const i = this.devices.indexOf(id);
    return i === undefined ? id : this.words.pick(this.devices.list[i]?.name, id);
  };
  quantity = (property: string, value: number | null | undefined): string => {
    const p = this.properties.get(property);
    return fmt.quantity(value, p?.digits ?? 1, p?.unit ?? '', this.words.lang);
  };

  /** Ward (or the whole city), service and device of an alert. */
  where = (a: Alert): string =>
    [a.entity.kind === 'city' ? this.words.t('city') : this.areaName(a.area), this.serviceName(a.service), a.device === null ? '' : this.deviceName(a.device)]
      .filter(Boolean).join(' · ');

  /** Names of the places of an alert in both languages, for search. */
  searchable = (a: Alert): string => {
    const i = a.device === null ? undefined : this.devices.indexOf(a.device);
    const names = [this.areas.get(a.area)?.name, i === undefined ? undefined : this.devices.list[i]?.name, this.services.get(a.service)?.name];
    return names.map((t) => (t ? `${t.vi} ${t.en}` : '')).join(' ');
  };

  /** What every screen needs. */
  async load(): Promise<void> {
    const city = await client.city();
    this.areas = new Map(city.areas.map((a) => [a.id, a]));
    this.services = new Map(city.services.map((s) => [s.id, s]));
    this.properties = new Map(city.properties.map((p) => [p.id, p]));
    city.services.sort((a, b) => a.order - b.order);
    await this.loadDevices();
    this.city = city;
  }

  /** The next person may see another part of the city. */
  forget(): void {
    this.city = null;
    this.map = null;
    this.rules = new Map();
    this.devices.epoch = 0;
  }

  /** What may come later, or not at all. */
  async loadLater(rules: boolean): Promise<void> {
    await Promise.allSettled([
      client.map().then(
        (m) => { this.map = m; this.mapFailed = ''; },
        (e) => { this.mapFailed = why(e); },
      ),
      rules && client.rules().then((r) => {
        this.rules = new Map(r.rules.map((x) => [x.id, x]));
      }),
    ]);
  }

  loadDevices = (): Promise<void> => {
    this.fetching ??= client.devices()
      .then((d) => {
        this.devices.setList(d.devices, d.rev, (id) => {
          const a = this.areas.get(id);
          return a ? `${a.name.vi} ${a.name.en}` : id;
        });
        this.rev += 1;
        this.renamed();
      })
      .finally(() => {
        this.fetching = null;
      });
    return this.fetching;
  };
}
