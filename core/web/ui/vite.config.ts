import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the pages with a running hearth behind them; the build lands where core/web embeds it.
export default defineConfig({
  plugins: [react()],
  base: "./",
  server: { proxy: { "/api": process.env.HEARTH ?? "http://127.0.0.1:9090" } },
  build: {
    outDir: "../dist/ui",
    emptyOutDir: true,
    chunkSizeWarningLimit: 1500,
    // The first browsers with light-dark(): for older ones it would be rewritten in a way that Mantine's theme does not drive.
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
  },
  test: { environment: "happy-dom", setupFiles: "src/test-setup.ts" },
});
