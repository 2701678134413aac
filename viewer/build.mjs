// Builds the page's script and style sheet into the crate that carries them; with --check it only compares.
//
//   node build.mjs            writes ../crates/attractor-render/src/page/dist/
//   node build.mjs --check    fails if what lies there is not what these sources give
//   node build.mjs --tests    bundles the unit tests into .build/

import { readFile, readdir, writeFile, mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "../crates/attractor-render/src/page/dist");
const mode = process.argv[2];

const common = {
  absWorkingDir: here,
  bundle: true,
  write: false,
  charset: "ascii",
  legalComments: "none",
  logLevel: "warning",
  jsx: "automatic",
  jsxImportSource: "preact",
};

if (mode === "--tests") {
  const names = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
  await build({
    ...common,
    write: true,
    entryPoints: names.map((name) => `test/${name}`),
    outdir: ".build",
    outExtension: { ".js": ".mjs" },
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
  });
  process.exit(0);
}

const result = await build({
  ...common,
  entryPoints: { report: "src/report.tsx" },
  outdir: "out",
  minify: true,
  format: "iife",
  target: ["chrome103", "firefox113", "safari16.4"],
});

let stale = 0;
await mkdir(dist, { recursive: true });
for (const file of result.outputFiles) {
  const name = file.path.endsWith(".css") ? "report.css" : "report.js";
  // What stands inside a script or style element must not end it.
  if (/<\/(script|style)|<!--/i.test(file.text)) throw new Error(`${name} could end its own element`);
  const path = join(dist, name);
  if (mode === "--check") {
    const there = await readFile(path, "utf8").catch(() => "");
    if (there !== file.text) {
      console.error(`${name}: the committed file is not what viewer/ builds; run "npm run build" in viewer/ and commit`);
      stale += 1;
    }
  } else {
    await writeFile(path, file.text);
  }
  console.log(`${name}: ${file.text.length} bytes`);
}
process.exit(stale === 0 ? 0 : 1);
