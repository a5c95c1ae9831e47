// Texts of the map screen.
export const vi = {
  map_find: 'Tìm phường, xã (không cần dấu)',
  map_wards: 'Phường, xã',
  map_quiet: 'Không có cảnh báo',
  map_counts: '{alerts} cảnh báo, {devices} thiết bị',
} as const;

export const en: Record<keyof typeof vi, string> = {
  map_find: 'Find a ward',
  map_wards: 'Wards',
  map_quiet: 'No alerts',
  map_counts: '{alerts} alerts, {devices} devices',
};
