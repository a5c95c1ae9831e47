import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The server that `npm run dev` puts behind the page: `npm run mock`, or a real `ioc run`.
const server = process.env.IOC_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte({ configFile: false })],
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
