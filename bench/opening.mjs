// How long a report takes to open in Chromium: until its script can be used, and until the head table is drawn.
//
//   node bench/opening.mjs PAGE.html [PAGE.html ...]
//
// Medians of seven openings from file://, each in a fresh page, after one that is not counted. `cd viewer && npm ci` brings
// playwright-core; CHROMIUM names the browser.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "../viewer/node_modules/playwright-core/index.mjs";

const OPENINGS = 7;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });

/** Milliseconds from the navigation's start until the script is ready, and until the frame after that. */
async function opened(url) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready !== undefined, null, { timeout: 60_000 });
  const drawn = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())))));
  const ready = Number(await page.evaluate(() => document.documentElement.dataset.ready));
  assert.ok((await page.locator("#heads table tbody tr").count()) > 0, `${url}: no head table was drawn`);
  await page.close();
  return [ready, drawn];
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
for (const path of process.argv.slice(2)) {
  const url = pathToFileURL(resolve(path)).href;
  await opened(url);
  const all = [];
  for (let at = 0; at < OPENINGS; at += 1) all.push(await opened(url));
  const [ready, drawn] = [0, 1].map((which) => Math.round(median(all.map((times) => times[which]))));
  console.log(`${path}: ${(statSync(path).size / 1e6).toFixed(2)} MB, ready after ${ready} ms, drawn after ${drawn} ms`);
}
await browser.close();
