import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { fakeAdminApi, POLICY } from "./tests/fake-server.ts";

export default defineConfig({
  plugins: [react(), fakeAdminApi()],
  base: "./", // the page is at /console/ and at /bff/console/, and must not know which
  build: {
    // The page is served with `default-src 'none'`: no data: script and no inline script may come out of a build.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { host: "127.0.0.1", port: 5174, strictPort: true },
  preview: { host: "127.0.0.1", port: 5174, headers: { "Content-Security-Policy": POLICY } },
  test: { environment: "node", testTimeout: 60_000, include: ["tests/**/*.test.ts", "tests/**/*.test.tsx"] }, // milliseconds: the machine may be busy
});
