// Texts of themes, print and accessibility.
export const vi = {
  skip_content: 'Tới nội dung',
  table: 'Bảng: {what}',
  theme: 'Giao diện màu',
  theme_system: 'Theo hệ thống',
  theme_dark: 'Nền tối',
  theme_light: 'Nền sáng',
  theme_contrast: 'Tương phản cao',
  paper_at: 'In lúc {at} ({zone}) · người in: {user}',
  paper_filter: 'Bộ lọc: {filter}',
  paper_all: 'Không lọc',
  paper_rows: '{n} dòng',
  paper_rows_of: '{n} trong {all} dòng. Để lấy đủ, hãy xuất tệp.',
} as const;

export const en: Record<keyof typeof vi, string> = {
  skip_content: 'To the content',
  table: 'Table: {what}',
  theme: 'Colour theme',
  theme_system: 'As the system',
  theme_dark: 'Dark',
  theme_light: 'Light',
  theme_contrast: 'High contrast',
  paper_at: 'Printed at {at} ({zone}) by {user}',
  paper_filter: 'Filter: {filter}',
  paper_all: 'No filter',
  paper_rows: '{n} rows',
  paper_rows_of: '{n} of {all} rows. Export a file to have them all.',
};
