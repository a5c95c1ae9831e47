// Texts of the frame around all screens: menu, sound, keys, first steps.
export const vi = {
  nav_map: 'Bản đồ',
  nav_alerts: 'Cảnh báo',
  nav_services: 'Dịch vụ',
  nav_explore: 'Dữ liệu lịch sử',
  nav_rules: 'Quy tắc',
  nav_notify: 'Thông báo',
  nav_ledger: 'Sổ tin',
  screen_failed: 'Không tải được màn hình này ({why}). Có thể máy chủ đã có bản mới.',
} as const;

export const en: Record<keyof typeof vi, string> = {
  nav_map: 'Map',
  nav_alerts: 'Alerts',
  nav_services: 'Services',
  nav_explore: 'History',
  nav_rules: 'Rules',
  nav_notify: 'Notifications',
  nav_ledger: 'Ledger',
  screen_failed: 'This screen could not be loaded ({why}). The server may have a new version.',
};
