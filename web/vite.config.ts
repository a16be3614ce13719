import { defineConfig } from "vitest/config";

/** The agents' page and the sandbox: two pages, shared chunks, served under /static/. */
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../bridge/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["inbox/index.html", "sandbox/index.html"] },
  },
  test: { environment: "happy-dom", include: ["**/*.test.{ts,tsx}"] },
});
