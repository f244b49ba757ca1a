import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  build: {
    // The page is served with `default-src 'self'`: no data: URL and no inline script may come out of a build.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // bff stands in front (`[spa] upstream = "http://127.0.0.1:5173"`), so a moved port would go unnoticed.
  server: { host: "127.0.0.1", port: 5173, strictPort: true },
  test: { environment: "node", testTimeout: 60_000, include: ["src/**/*.test.ts"] }, // milliseconds: the machine may be busy
});
