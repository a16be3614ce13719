import { defineConfig } from "vitest/config";

/** The agents' page and the sandbox's two: shared chunks, served under /static/. */
export default defineConfig({
  base: "/static/",
  build: {
    outDir: "../bridge/static",
    emptyOutDir: true,
    // Agents have current browsers; style sheets keep light-dark(), which older ones do not know.
    target: "es2022",
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["inbox/index.html", "sandbox/index.html", "sandbox/shop.html"] },
  },
  test: { environment: "happy-dom", include: ["**/*.test.{ts,tsx}"] },
});
