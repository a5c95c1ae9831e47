/** A text as search compares it: no case, no marks, đ as d, one space between words. */
export function fold(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replace(/[đĐ]/g, 'd')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim();
}

/** True when every word of the (folded) query occurs in the (folded) text. */
export function matches(folded: string, query: string): boolean {
  return query === '' || query.split(' ').every((word) => folded.includes(word));
}
