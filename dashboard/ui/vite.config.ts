import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// The server that `npm run dev` puts behind the page: `npm run mock`, or a real `ioc run`.
const server = process.env.IOC_SERVER ?? 'http://127.0.0.1:8080';

/**
 * Leaflet probes for SVG with `innerHTML = '<svg/>'` when it is loaded, which the page's Trusted
 * Types refuse. The probe is made by nodes instead, so that the page needs no default policy.
 */
const leafletWithoutMarkup: Plugin = {
  name: 'leaflet-without-markup',
  transform(code, id) {
    if (!id.includes('leaflet/src/core/Browser.js')) return null;
    const probe = "div.innerHTML = '<svg/>';";
    if (code.split(probe).length !== 2) this.error('Leaflet has changed: its probe for SVG was not found once');
    return { code: code.replace(probe, "div.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'svg'));"), map: null };
  },
};

export default defineConfig({
  plugins: [svelte({ configFile: false }), leafletWithoutMarkup],
  build: {
    target: 'es2023',
    // data: URLs would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
  },
  server: {
    proxy: {
      '/api': { target: server, changeOrigin: false },
      '/ws': { target: server, ws: true, changeOrigin: false },
    },
  },
});
