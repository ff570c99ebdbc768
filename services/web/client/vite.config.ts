import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const SMALL_BYTES = 1_000; // below, compression saves no packet

/** Beside each file that is worth it the same, compressed once and for all: the door serves what lies there. */
const compressed: Plugin = {
  name: "compressed",
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      for (const file of Object.values(bundle)) {
        const content = file.type === "chunk" ? file.code : file.source;
        if (content.length < SMALL_BYTES) continue;
        this.emitFile({ type: "asset", fileName: `${file.fileName}.gz`, source: gzipSync(content, { level: 9 }) });
      }
    },
  },
};

export default defineConfig({
  plugins: [compressed],
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
