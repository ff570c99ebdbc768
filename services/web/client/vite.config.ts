import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: {
    // virtua asks for React; Preact is it
    alias: {
      "react/jsx-runtime": "preact/jsx-runtime",
      "react-dom": "preact/compat",
      react: "preact/compat",
    },
    dedupe: ["preact", "@preact/signals-core"],
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the page's policy knows files of the door's own only
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn: (warning, warn) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning); // virtua's "use client" means nothing here
      },
      input: {
        index: fileURLToPath(new URL("index.html", import.meta.url)),
        widget: fileURLToPath(new URL("src/widget.ts", import.meta.url)),
      },
      output: {
        // other people's pages name the widget, so its name stays
        entryFileNames: ({ name }) => (name === "widget" ? "widget.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
