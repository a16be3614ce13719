import { defineConfig } from "vite";

/** The widget: one classic script without imports, because a site adds it with one tag. */
export default defineConfig({
  build: {
    outDir: "../bridge/static",
    emptyOutDir: false,
    cssCodeSplit: false,
    lib: { entry: "widget/src/main.tsx", formats: ["iife"], name: "BridgeWidget", fileName: () => "widget.js" },
  },
});
