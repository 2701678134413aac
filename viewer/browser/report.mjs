// The report in a real browser: opens pages from file:// and does what a reader does.
//
//   node browser/report.mjs FOLDER [PAGE.html ...]     pages of the example browser_pages, and any other report
//
// CHROMIUM names the browser; Debian's lies at /usr/bin/chromium.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [folder, ...others] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node browser/report.mjs FOLDER [PAGE.html ...]");
  process.exit(2);
}
/** A page that has not opened by then hangs, ms. How long it takes is measured by bench/opening.mjs, never judged here. */
const HANGS = 60_000;

const profile = mkdtempSync(join(tmpdir(), "attractor-browser-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

const faults = [];
let checks = 0;

/** Opens a page and watches it: nothing may leave it, nothing may go wrong in it. */
async function open(file, options = {}) {
  const page = await context.newPage();
  const url = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`${file}: console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${file}: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`${file}: a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    const target = request.url();
    if (target.split("#")[0] !== url && !target.startsWith("data:image/")) faults.push(`${file}: asked for ${target}`);
  });
  if (options.scheme) await page.emulateMedia({ colorScheme: options.scheme });
  if (options.width) await page.setViewportSize({ width: options.width, height: options.height ?? 812 });
  page.setDefaultTimeout(HANGS);
  await page.goto(url + (options.hash ?? ""));
  await page.waitForFunction(() => document.documentElement.dataset.ready !== undefined);
  return page;
}

async function check(name, work) {
  const before = faults.length;
  const start = performance.now();
  try {
    await work();
    assert.deepEqual(faults.slice(before), []);
    checks += 1;
    console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
  } catch (error) {
    faults.push(`${name}: ${error.message}`);
    console.log(`FAIL  ${name}\n${error.stack}`);
  }
}

const hostile = join(folder, "hostile.html");
const rows = (page) => page.$$eval("#head-table tbody tr", (all) => all.map((row) => row.id.slice(4)));
const cells = (page, column) =>
  page.$$eval("#head-table tbody tr", (all, n) => all.map((row) => Number(row.cells[n].textContent.replace("−", "-"))), column);
/** Where a cell of the big map lies on the screen. */
async function cellAt(page, row, column) {
  const canvas = page.locator(".heatmap canvas");
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  // The map says where its cells begin and how large they are.
  const [left, top, step] = await canvas.evaluate((c) => c.dataset.cells.split(" ").map(Number));
  return { x: box.x + left + (column + 0.5) * step, y: box.y + top + (row + 0.5) * step };
}
const readout = (page) => page.locator(".explorer .readout").innerText();

for (const file of ["hostile.html", "broken.html", "long.html", "many.html", "alone.html"].map((f) => join(folder, f)).concat(others)) {
  await check(`opens: ${file.split("/").at(-1)}`, async () => {
    const page = await open(file);
    const ready = Number(await page.evaluate(() => document.documentElement.dataset.ready));
    const now = () => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))));
    const painted = Math.round(await page.evaluate(now));
    const size = (readFileSync(file).length / 1e6).toFixed(2);
    console.log(`      ${size} MB; can be used after ${ready} ms, drawn after ${painted} ms`);
    assert.ok(readFileSync(file).length < 10_000_000);
    assert.ok((await page.locator("h1").innerText()).length > 5);
    assert.equal(await page.locator("section.group").count(), 9);
    assert.ok((await rows(page)).length > 0);
    await page.close();
  });
}

await check("the table sorts", async () => {
  const page = await open(hostile);
  const all = await rows(page);
  assert.equal(all.length, 8);
  assert.equal(all[0], "L0H0");
  await page.getByRole("button", { name: /^Sharpness/ }).click();
  const down = await cells(page, 2);
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  assert.ok(new Set(down).size > 4);
  assert.equal(await page.locator("th[aria-sort=descending]").count(), 1);
  await page.getByRole("button", { name: /^Sharpness/ }).click();
  assert.deepEqual(await cells(page, 2), [...down].sort((a, b) => a - b));
  await page.close();
});

await check("the table filters by words, kind and layer", async () => {
  const page = await open(hostile);
  const search = page.getByRole("searchbox");
  await search.fill("l1h2");
  assert.deepEqual(await rows(page), ["L1H2"]);
  await search.fill("nothing is called this");
  assert.deepEqual(await rows(page), []);
  assert.match(await page.locator(".count").innerText(), /0 of 8/);
  // The overview shows what is left.
  const dimmed = async () => (await page.locator(".overview canvas").getAttribute("data-dimmed")).split(" ").filter(Boolean);
  assert.equal((await dimmed()).length, 8);
  await search.fill("");
  assert.deepEqual(await dimmed(), []);
  await page.getByLabel("Kind", { exact: true }).selectOption("induction");
  assert.deepEqual(await rows(page), ["L1H0"]);
  await page.getByLabel("Kind", { exact: true }).selectOption("");
  await page.getByLabel("Layer", { exact: true }).selectOption("1");
  assert.deepEqual(await rows(page), ["L1H0", "L1H1", "L1H2", "L1H3"]);
  await page.close();
});

await check("a click on a head shows its map, a hover its tokens and weight", async () => {
  const page = await open(hostile);
  await page.locator("#row-L0H0").click();
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L0H0");
  // A previous-token head: query 2 looks at key 1 with about 0.9.
  const strong = await cellAt(page, 2, 1);
  await page.mouse.move(strong.x, strong.y);
  let text = await readout(page);
  assert.match(text, /\b2\b.*→.*\b1\b/s);
  const tokens = JSON.parse(await page.locator("script#maps").textContent()).inputs[0].texts;
  for (const position of [1, 2]) assert.ok(text.includes(tokens[position].trim()), `${text} without ${tokens[position]}`);
  const weight = Number(/(?:≈ )?(\d\.\d+)/.exec(text.slice(text.lastIndexOf("→")))[1]);
  assert.ok(weight > 0.85 && weight < 1, text);
  // The future is masked.
  const masked = await cellAt(page, 2, 40);
  await page.mouse.move(masked.x, masked.y);
  assert.match(await readout(page), /masked/);
  // Another head, another map: L0H2 rests on the first token.
  const before = await page.locator(".heatmap canvas").evaluate((c) => c.toDataURL());
  await page.locator("#row-L0H2").click();
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L0H2");
  await page.waitForFunction((was) => document.querySelector(".heatmap canvas").toDataURL() !== was, before);
  const sink = await cellAt(page, 50, 0);
  await page.mouse.move(sink.x, sink.y);
  text = await readout(page);
  assert.ok(text.includes("<s>") && Number(/(\d\.\d+)/.exec(text.slice(text.lastIndexOf("→")))[1]) > 0.75, text);
  // The links' table says the same to the last digit that it shows, and leads to the cell.
  await page.locator(".links tbody button").first().click();
  assert.match(await readout(page), /exact/);
  await page.close();
});

await check("exact links are the weights in the payload", async () => {
  const page = await open(hostile, { hash: "#L1H0" });
  await page.waitForSelector(".links tbody tr");
  assert.equal(await page.locator(".explorer h3").innerText(), "L1H0");
  const payload = JSON.parse(await page.locator("script#maps").textContent());
  const map = payload.maps.find((m) => m.layer === 1 && m.head === 0 && m.input === 0);
  const shown = await page.$$eval(".links tbody button", (all) => all.map((b) => b.textContent));
  assert.deepEqual(shown, map.links.map(([, , weight]) => weight.toFixed(4)));
  await page.close();
});

await check("scales, the sink and the text view change what is seen", async () => {
  const page = await open(hostile, { hash: "#L0H2" });
  await page.waitForSelector(".heatmap canvas");
  const canvas = page.locator(".heatmap canvas");
  const seen = new Set();
  for (const name of ["Linear", "Log", "Quantile"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await page.waitForTimeout(60);
    seen.add(await canvas.evaluate((c) => c.toDataURL()));
  }
  await page.getByRole("button", { name: "Log", exact: true }).click();
  await page.getByRole("button", { name: "This head's own" }).click();
  await page.waitForTimeout(60);
  seen.add(await canvas.evaluate((c) => c.toDataURL()));
  await page.getByLabel(/Hide the sink/).check();
  await page.waitForTimeout(60);
  seen.add(await canvas.evaluate((c) => c.toDataURL()));
  assert.equal(seen.size, 5);
  assert.match(await page.locator(".notes").innerText(), /Not what the model used: key 0/);
  assert.match(await page.locator(".unit").innerText(), /without the sink, renormalised/);
  await page.getByLabel(/Hide the sink/).uncheck();
  await page.locator(".token-text [data-position='20']").click();
  assert.ok((await page.locator(".token-text .chosen").getAttribute("data-position")) === "20");
  await page.close();
});

await check("the keyboard alone is enough", async () => {
  const page = await open(hostile);
  await page.locator("#row-L0H0").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.id), "row-L0H2");
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => document.activeElement.id), "row-L1H3");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L0H1");
  // What has the focus can be seen.
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none");
  await page.locator(".heatmap canvas").focus();
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none");
  for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
  assert.match(await readout(page), /\b2\b.*→.*\b1\b/s);
  await page.keyboard.press("End");
  assert.match(await readout(page), /masked/);
  // The overview: the first head is left by one step to the right.
  const overview = page.locator(".overview canvas");
  await overview.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L0H2");
  // Every control is reached by Tab.
  await page.evaluate(() => document.querySelector("nav a").focus());
  const reached = new Set();
  for (let i = 0; i < 400; i += 1) {
    await page.keyboard.press("Tab");
    const parts = [".theme", ".filters", ".head-table thead", ".head-table tbody", ".controls", ".heatmap", ".overview", ".links"];
    const own = await page.evaluate((all) => all.find((part) => document.activeElement.closest(part)) ?? "", parts);
    reached.add(own);
    if (parts.every((part) => reached.has(part))) break;
  }
  for (const part of [".theme", ".filters", ".head-table thead", ".head-table tbody", ".controls", ".heatmap", ".overview", ".links"]) {
    assert.ok(reached.has(part), `${part} is not reached: ${[...reached]}`);
  }
  await page.close();
});

await check("figures by layer and head can be chosen, and a click there opens the head", async () => {
  const page = await open(hostile);
  await page.getByLabel("Show").selectOption({ label: "Induction" });
  await page.waitForSelector(".chart canvas");
  // Second row, first column: L1H0.
  await page.locator(".overview canvas").click({ position: { x: 45, y: 18 + 28 * 1.5 } });
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L1H0");
  assert.match(await page.locator(".chart .key").innerText(), /BCa bootstrap/);
  await page.close();
});

await check("a hostile token stays text", async () => {
  const page = await open(hostile);
  assert.equal(await page.evaluate(() => document.images.length), 0);
  assert.notEqual(await page.title(), "owned");
  assert.ok(!(await page.title()).includes("\u202e"));
  await page.locator("#row-L0H0").click();
  await page.waitForSelector(".token-text [data-position='3']");
  const shown = await page.$$eval(".token-text .token", (all) => all.slice(3, 10).map((t) => t.textContent));
  assert.equal(shown[0], "</script><img src=x oner…");
  assert.equal(shown[1], "U+202Edrowssap");
  assert.equal(shown[4], "aU+0000U+200Bb");
  assert.equal(shown[5], "&lt;b&gt;");
  assert.equal(shown[6], "<!--<script>");
  const cell = await cellAt(page, 4, 3);
  await page.mouse.move(cell.x, cell.y);
  assert.match(await readout(page), /U\+202Edrowssap.*→.*<\/script><img src=x/s);
  // Nothing that reorders is anywhere in what is shown.
  const text = await page.evaluate(() => document.body.innerText);
  assert.ok(!/[\u202a-\u202e\u2066-\u2069\u200b\0]/.test(text));
  await page.close();
});

await check("dark and light, by the system and by hand", async () => {
  const colours = async (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await open(hostile, { scheme: "light" });
  const dark = await open(hostile, { scheme: "dark" });
  const [a, b] = [await colours(light), await colours(dark)];
  assert.notEqual(a, b);
  // auto, light, dark.
  await light.locator(".theme").click();
  assert.equal(await colours(light), a);
  await light.locator(".theme").click();
  assert.equal(await colours(light), b);
  await light.locator(".theme").click();
  await light.close();
  await dark.close();
});

await check("a phone's width holds the page", async () => {
  for (const file of [hostile, join(folder, "broken.html"), join(folder, "many.html"), ...others]) {
    const page = await open(file, { width: 375 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 375, `${file}: ${wide} px`);
    await page.close();
  }
  const page = await open(hostile, { width: 375 });
  await page.locator("#row-L0H2").click();
  // The map comes into view.
  await page.waitForFunction(() => {
    const top = document.querySelector(".explorer").getBoundingClientRect().top;
    return top >= -10 && top < innerHeight / 2;
  });
  const map = await page.locator(".heatmap canvas").boundingBox();
  assert.ok(map.width > 250 && map.x >= 0 && map.x + map.width <= 375);
  await page.close();
});

await check("long inputs are pooled, and the page says so", async () => {
  const page = await open(join(folder, "long.html"));
  await page.waitForSelector(".notes");
  assert.match(await page.locator(".notes").innerText(), /1500 × 1500 weights in 128 × 128 cells/);
  const cell = await cellAt(page, 100, 0);
  await page.mouse.move(cell.x, cell.y);
  assert.match(await readout(page), /\d+–\d+.*→.*0–10/s);
  await page.close();
});

await check("what is wrong is said first, and NaN has its own colour", async () => {
  const page = await open(join(folder, "broken.html"));
  assert.match(await page.locator("#summary").innerText(), /mask\.causal/);
  await page.getByLabel("Kind", { exact: true }).selectOption("failed");
  assert.ok((await rows(page)).includes("L0H1"));
  await page.getByLabel("Kind", { exact: true }).selectOption("");
  await page.locator("#row-L1H1").click();
  await page.waitForFunction(() => document.querySelector(".explorer h3")?.textContent === "L1H1");
  await page.waitForSelector(".swatch.nan");
  await page.close();
});

await check("a report alone has its table and says that it has no maps", async () => {
  const page = await open(join(folder, "alone.html"));
  assert.equal((await rows(page)).length, 8);
  assert.equal(await page.locator(".explorer").count(), 0);
  assert.match(await page.locator("#figures").innerText(), /no maps to show/);
  await page.close();
});

await check("without a script the words, groups, table and pictures are there", async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(pathToFileURL(resolve(hostile)).href);
  assert.equal(await page.locator("section.group").count(), 9);
  assert.ok((await page.locator("#heads-static").innerText()).includes("L1H3"));
  assert.ok((await page.locator("#figures svg image").count()) > 8);
  assert.ok(await page.locator("#figures svg").first().isVisible());
  await browser.close();
});

await check("maps and ablations come before the checks, of which those that passed are folded", async () => {
  const page = await open(hostile);
  const top = (selector) => page.locator(selector).first().evaluate((e) => e.getBoundingClientRect().top + scrollY);
  assert.ok((await top("#heads")) < (await top("#ablations")) && (await top("#ablations")) < (await top("#groups")));
  // On the second screen at the latest.
  assert.ok((await top(".overview canvas")) < 1800, `${await top(".overview canvas")}`);
  assert.equal(await page.locator("#ablations section#group-9").count(), 1);
  const folds = page.locator("#groups details.passed");
  assert.ok((await folds.count()) > 3 && (await folds.evaluateAll((all) => all.every((fold) => !fold.open))));
  // A link to a check that is folded opens its fold.
  await page.evaluate(() => (location.hash = document.querySelector("#groups details.passed tr[id]").id));
  await page.waitForFunction(() => document.querySelector("#groups details.passed").open);
  await page.close();
});

await check("on paper nothing stands on something else, whatever is open", async () => {
  const page = await open(hostile);
  await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
  await page.waitForTimeout(300);
  await page.emulateMedia({ media: "print" });
  // A frame that is lower than what is in it would let its rows run over what follows.
  const cut = await page.$$eval(".table-frame, .long, .links, .token-text p, .view", (all) =>
    all.filter((e) => e.scrollHeight > e.clientHeight + 2 || getComputedStyle(e).position !== "static").map((e) => e.className));
  assert.deepEqual(cut, []);
  const tables = await page.$$eval("table th", (all) => all.filter((th) => getComputedStyle(th).position === "sticky").length);
  assert.equal(tables, 0);
  await page.close();
});

await check("it prints", async () => {
  const page = await open(hostile);
  const pdf = await page.pdf();
  assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
  assert.ok(pdf.length > 20_000);
  await page.close();
});

await context.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${checks} checks passed, ${faults.length} faults`);
for (const fault of faults) console.log(`  ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);
