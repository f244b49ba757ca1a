// Writes compressed siblings of the built files, which bff sends to browsers that take them.
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as zlib from "node:zlib";

const DIRECTORY = new URL("./dist/", import.meta.url).pathname;
const WORTH_IT = /\.(?:html|js|css|svg|json|txt|webmanifest)$/;
const SMALLEST = 1024; // bytes; below, the headers weigh more than what is saved
const CODINGS = {
  br: (content) => zlib.brotliCompressSync(content, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } }),
  gz: (content) => zlib.gzipSync(content, { level: 9 }),
  ...(zlib.zstdCompressSync && { zst: (content) => zlib.zstdCompressSync(content) }),
};

for (const name of await readdir(DIRECTORY, { recursive: true })) {
  const path = join(DIRECTORY, name);
  if (!WORTH_IT.test(name) || (await stat(path)).size < SMALLEST) continue;
  const content = await readFile(path);
  for (const [ending, compress] of Object.entries(CODINGS)) {
    await writeFile(`${path}.${ending}`, compress(content));
  }
}
