// Limits that rules set for a quantity of a device. Pure.
import type { Rule, Threshold } from './model';
import { named } from './service';

export interface Limit { id: string; value: number; rules: string[] }

/** Words of a rule's text: whether it is about a property. */
const about = (source: string, property: string): boolean => new Set(source.match(/[a-z0-9_]+/gi) ?? []).has(property);

/** Rules of the device's service that are about one of its properties. */
export function watching<R extends Rule>(rules: readonly R[], device: { service: string; properties: readonly string[] }): R[] {
  return rules.filter((r) => r.service === device.service && device.properties.some((p) => about(r.source, p)));
}

/** Thresholds of these rules in the unit of the property, for this device, the lowest first. */
export function limitsOf(rules: readonly Rule[], thresholds: readonly Threshold[], device: { id: string; service: string }, property: { id: string; unit: string }): Limit[] {
  const found = new Map<string, Limit>();
  for (const rule of rules) {
    if (rule.service !== device.service || !about(rule.source, property.id)) continue;
    for (const t of named(rule.source, thresholds)) {
      const value = t.by_device[device.id] ?? t.value;
      if (value === null || value === undefined || t.unit !== property.unit) continue;
      const limit = found.get(t.id) ?? { id: t.id, value, rules: [] };
      limit.rules.push(rule.id);
      found.set(t.id, limit);
    }
  }
  return [...found.values()].sort((a, b) => a.value - b.value);
}
