import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the pages with a running hearth behind them; the build lands where core/web embeds it.
export default defineConfig({
  plugins: [react()],
  base: "./",
  server: { proxy: { "/api": process.env.HEARTH ?? "http://127.0.0.1:9090" } },
  build: { outDir: "../dist/ui", emptyOutDir: true, chunkSizeWarningLimit: 1500 },
  test: { environment: "happy-dom", setupFiles: "src/test-setup.ts" },
});
