// The words of docs/protocol.md.

export type Lang = 'vi' | 'en';
export interface Text { vi: string; en: string }
export type SeverityName = 'info' | 'minor' | 'major' | 'critical' | 'emergency';
/** 0 none, 1 info … 5 emergency. */
export type Level = 0 | 1 | 2 | 3 | 4 | 5;

export interface Entity { kind: 'device' | 'area' | 'service' | 'segment' | 'city'; id?: string }

/** Why a rule changed its mind; what there is nothing of is left out. */
export interface Evidence {
  readings?: { device: string; property: string; time: number; value: number }[];
  window?: { from: number; to: number; count: number; min: number | null; max: number | null; value: number | null };
  limit?: { comparison: string; threshold: string | null; source: string | null; effective: string | null };
  timers?: { name: string; since: number; until: number }[];
  inhibited_by?: string[];
  facts?: { name: string; value: number | null; text: string | null }[];
}

export interface Area {
  id: string; code: string; name: Text; kind: string; lat: number; lon: number; area_km2: number;
}
export interface Service {
  id: string; order: number; group: string; name: Text; indicators: string[];
}
export interface Property {
  id: string; name: Text; unit: string; min: number; max: number; digits: number;
  normal: [number, number] | null;
}
export interface Threshold {
  id: string; unit: string; value: number | null; by_device: Record<string, number>;
  source: string; effective: string; note: string | null;
}
export interface City {
  name: Text; time_zone: string; view: [number, number, number];
  areas: Area[]; services: Service[]; properties: Property[]; thresholds: Threshold[];
  /** Areas that are looked after together. */
  clusters?: { id: string; name: Text; areas: string[] }[];
  /** What the forms offer; absent on servers that do not tell. */
  alerts?: { shelve_max_ms?: number; agencies?: string[]; positions?: string[] };
}

export interface Device {
  idx: number; id: string; name: Text; kind: string; service: string; area: string;
  lat: number | null; lon: number | null; properties: string[]; cadence_s: number; configured: boolean;
}
export interface Latest {
  property: string; time: number; received: number; value: number; quality: number | string;
}
export interface Quarantined {
  at: number; topic: string; reason: string; detail: string; payload: string;
}
export interface DeviceDetail extends Device {
  latest: Latest[]; last_message: number | null; quarantined: Quarantined[];
}

export interface Indicator {
  property: string; value: number | null; min: number | null; max: number | null; n: number;
}
export interface Tile {
  id: string; feeds: boolean; devices: number; fresh: number; newest: number | null;
  indicators: Indicator[]; open_alerts: number; worst: SeverityName | null;
}

export interface HistoryAnswer {
  device: string; property: string; unit: string; step: number | null; agg: string | null;
  truncated: boolean; points: [number, number, number][];
  /** The coarsest of what was read, from when single readings are kept, and where windows begin; absent on older servers. */
  tier?: 'raw' | 'minute' | 'hour'; raw_from?: number | null; offset?: number | null;
}

/** Personal data of a detection as a list shows it: masked. */
export interface PersonalRow {
  id: number; device: string; area: string; service: string; kind: string; time: number; mask: string;
  /** The same for one plate within a month; not the plate. */
  pseudonym: number | string; has_snapshot: boolean; expires: number | null;
}
export interface Revealed { plate: string | null; snapshot: string | null }
export interface Rule {
  id: string; kind: string; service: string; name: Text; file: string; line: number; source: string;
}
const LEVELS: Record<string, Level> = { info: 1, minor: 2, major: 3, critical: 4, emergency: 5 };
export const SEVERITIES: readonly SeverityName[] = ['info', 'minor', 'major', 'critical', 'emergency'];

/** The rank of a severity word; 0 for none and for words of a later version. */
export function level(name: string | null | undefined): Level {
  return (name != null && LEVELS[name]) || 0;
}
