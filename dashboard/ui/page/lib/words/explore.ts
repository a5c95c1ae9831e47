// Texts of the history explorer and the device screen.
export const vi = {
  dvc_none: 'Chưa chọn thiết bị. Hãy tìm trên bản đồ hoặc trong danh sách.',
  dvc_alerts: 'Cảnh báo của thiết bị',
  dvc_failed: 'Không đọc được cảnh báo: {why}',
  dvc_no_alerts: 'Thiết bị này chưa có cảnh báo nào.',
  dvc_rules: 'Quy tắc của dịch vụ này',
  dvc_no_rules: 'Không có quy tắc nào.',
  exp_about: 'Chọn thiết bị và đại lượng để so sánh; tối đa 8 chuỗi.',
  exp_find: 'Tìm thiết bị (tên, phường, mã)',
  exp_none: 'Chưa chọn chuỗi nào. Tìm thiết bị ở trên rồi bấm vào đại lượng.',
  exp_no_match: 'Không có thiết bị nào như vậy.',
  exp_remove: 'Bỏ {name}',
  exp_full: 'Đã đủ 8 chuỗi.',
  exp_span: 'Khoảng thời gian',
  exp_open: 'Mở thiết bị',
} as const;

export const en: Record<keyof typeof vi, string> = {
  dvc_none: 'No device is chosen. Find one on the map or in the list.',
  dvc_alerts: 'Alerts of the device',
  dvc_failed: 'Its alerts could not be read: {why}',
  dvc_no_alerts: 'This device has had no alert.',
  dvc_rules: 'Rules of its service',
  dvc_no_rules: 'There is no rule.',
  exp_about: 'Choose devices and quantities to compare; at most 8 series.',
  exp_find: 'Find a device (name, ward, id)',
  exp_none: 'No series is chosen. Find a device above, then press a quantity.',
  exp_no_match: 'There is no such device.',
  exp_remove: 'Remove {name}',
  exp_full: 'Eight series are shown; remove one first.',
  exp_span: 'Span',
  exp_open: 'Open the device',
};
