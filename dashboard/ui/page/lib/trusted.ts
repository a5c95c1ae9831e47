// Leaflet probes for SVG with `innerHTML = '<svg/>'` when it is loaded. Under the page's policy
// (require-trusted-types-for 'script') that one text is let through, and nothing else.
interface Factory {
  createPolicy(name: string, rules: { createHTML: (s: string) => string }): unknown;
}
const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
factory?.createPolicy('default', {
  createHTML: (s) => {
    if (s === '<svg/>' || s === '') return s;
    throw new TypeError('this page sets no HTML from text');
  },
});
