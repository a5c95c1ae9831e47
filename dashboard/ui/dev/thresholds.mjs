// The thresholds of the shipped configuration, as GET /api/v1/city tells them. Reads the few forms that
// config/thresholds.yaml has, not YAML.
const plain = (text) => text.replace(/^"(.*)"$/, '$1');

export function thresholds(text) {
  const found = [];
  let map = null;
  for (const line of text.split('\n')) {
    let m = /^- id: (\S+)/.exec(line);
    if (m) {
      found.push({ id: plain(m[1]), unit: '', value: null, by_device: {}, source: '', effective: '', note: null });
      map = null;
      continue;
    }
    const last = found.at(-1);
    if (last === undefined) continue;
    if ((m = /^ {2}(\w+):\s*(.*)$/.exec(line))) {
      map = m[2] === '' ? m[1] : null;
      if (m[1] === 'value') last.value = Number(m[2]);
      else if (['unit', 'source', 'effective', 'note'].includes(m[1])) last[m[1]] = plain(m[2]);
    } else if (map === 'by_device' && (m = /^ {4}(\S+): ([\d.]+)/.exec(line))) last.by_device[m[1]] = Number(m[2]);
  }
  return found;
}
