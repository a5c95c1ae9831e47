// The ledger: a city in which every message is accounted for.
export function routes({ path }) {
  return path === 'ledger' ? [200, {}] : null;
}
