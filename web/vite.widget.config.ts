import { defineConfig } from "vite";

/** The widget: one classic script without imports, because a site adds it with one tag. */
export default defineConfig({
  build: {
    target: "es2022",
    outDir: "../bridge/static",
    emptyOutDir: false,
    lib: { entry: "widget/src/main.ts", formats: ["iife"], name: "BridgeWidget", fileName: () => "widget.js" },
  },
});
