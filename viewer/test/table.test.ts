import assert from "node:assert/strict";
import test from "node:test";
import { means, places } from "../src/components/chart";
import { ordered, where } from "../src/components/checks";
import { filtered, sorted } from "../src/components/table";
import { checkLines, headLines, metrics, pageSource } from "../src/page-source";
import { VERSION, type Check, type CheckId, type HeadEstimate, type HeadSummary } from "../src/schema";

const check = (id: CheckId, layer: number | null, head: number | null, more: Partial<Check> = {}): Check => ({
  id, group: 5, stack: null, layer, head, value: 0.5, null: 0.1, effect: 0.4, threshold: 0.4, threshold_source: "", judged: true,
  verdict: "pass", why: "", interval: { low: 0.45, high: 0.55, level: 0.95, method: "BCa bootstrap" },
  no_interval: null, ...more,
});
const none = { sharpness: null, previous: null, induction: null, near: null, sink: null, variation: null };
const known = (of: HeadEstimate["null"]): HeadEstimate => ({
  null: of, threshold: 0.4, interval: { low: 0.45, high: 0.55, level: 0.95, method: "BCa bootstrap" },
});
const line = (layer: number, head: number, more: Partial<HeadSummary>): HeadSummary => ({
  layer, head, class: null, sharpness: null, effective_keys: null, previous: null, induction: null, near: null, sink: null,
  variation: null, kinds: [], estimates: none, ...more,
});
const report = {
  checks: [
    check("head.sharpness", null, null),
    check("head.sharpness", 0, 0),
    check("head.sharpness", 0, 1, { null: 0.2 }),
    check("norm.rows", 0, 1, { group: 1, verdict: "fail" }),
    check("pos.content", 1, 0, { value: 0.25, interval: null }),
  ],
  heads: [
    line(0, 0, { class: "sharp", sharpness: 0.5, previous: 0.9, kinds: ["previous-token"], estimates: { ...none, sharpness: known(0.1) } }),
    line(0, 1, { previous: 0.1, estimates: { ...none, sharpness: known(0.2) } }),
    line(1, 0, { class: "broad", sharpness: 0.1, previous: 0.9, near: 3, kinds: ["sink", "local"] }),
  ],
};
const { heads, columns } = headLines(report);
const names = (lines: typeof heads) => lines.map((h) => `${h.layer}.${h.head}`);

test("the table has a column for every figure of a head", () => {
  const titles = ["Sharpness", "Effective keys", "Previous", "Induction", "Near", "Sink", "Variation"];
  assert.deepEqual(columns.map((c) => c.title), titles);
  for (const { name } of columns) assert.ok(heads.every((h) => name in h.figures), name);
  assert.deepEqual(heads.map((h) => h.failed), [false, true, false]);
});

test("what is missing comes last in either direction, ties in the order of heads", () => {
  assert.deepEqual(names(sorted(heads, { column: "sharpness", down: true })), ["0.0", "1.0", "0.1"]);
  assert.deepEqual(names(sorted(heads, { column: "sharpness", down: false })), ["1.0", "0.0", "0.1"]);
  assert.deepEqual(names(sorted(heads, { column: "previous", down: true })), ["0.0", "1.0", "0.1"]);
  assert.deepEqual(names(sorted(heads, { column: null, down: true })), ["1.0", "0.1", "0.0"]);
  assert.deepEqual(names(sorted(heads, { column: "kinds", down: false })), ["0.0", "1.0", "0.1"]);
});

test("filters combine", () => {
  const filter = (words: string, kind = "", layer = "") => names(filtered(heads, { words, kind, layer }));
  assert.deepEqual(filter(""), ["0.0", "0.1", "1.0"]);
  assert.deepEqual(filter("L1"), ["1.0"]);
  assert.deepEqual(filter("PREVIOUS sharp"), ["0.0"]);
  assert.deepEqual(filter("", "sink"), ["1.0"]);
  assert.deepEqual(filter("", "failed"), ["0.1"]);
  assert.deepEqual(filter("", "", "0"), ["0.0", "0.1"]);
  assert.deepEqual(filter("sharp", "", "1"), []);
});

test("intervals stand with the head's figures, and checks without a column become figures", () => {
  const all = metrics(report, heads);
  // Effective keys is nowhere a number; group 1 is no figure.
  assert.deepEqual(all.map((m) => m.name), ["sharpness", "previous", "near", "pos.content"]);
  const sharpness = all[0]!;
  assert.deepEqual(sharpness.points[0], { layer: 0, head: 0, value: 0.5, low: 0.45, high: 0.55 });
  assert.equal(sharpness.points[2]!.low, null);
  assert.equal(sharpness.null, null);
  assert.equal(sharpness.threshold, 0.4);
  assert.equal(sharpness.interval, "95 %, BCa bootstrap");
  assert.equal(all[1]!.interval, "");
});

test("dots of a layer stand side by side around it", () => {
  const points = metrics(report, heads)[1]!.points;
  const dots = places(points, [0, 1]);
  assert.deepEqual(dots.map((d) => d.x), [-0.31, 0.31, 1]);
  assert.deepEqual(means(points, [0, 1, 2]), [0.5, 0.9, null]);
});

test("a head without a map says why", async () => {
  const payload = { version: VERSION, palettes: [], inputs: [], maps: [], without: [{ why: "no room", heads: [[0, 1, 0] as [number, number, number]] }] };
  const source = pageSource(report, payload);
  assert.equal(await source.map({ layer: 0, head: 1, input: 0 }), "no room");
  assert.equal(await source.map({ layer: 0, head: 0, input: 0 }), "This page has no map of this head.");
  assert.throws(() => pageSource(report, { ...payload, version: 9 }), /version 9/);
});

test("an input is named by its step where inputs have steps", () => {
  const tokens = { texts: ["a"], special: [], prompt: null };
  const inputs = [
    { ...tokens, input: 0, origin: { input: 0, step: { number: 8, block: null } } },
    { ...tokens, input: 1, origin: { input: 1, step: null } },
  ];
  const source = pageSource(report, { version: VERSION, palettes: [], inputs, maps: [], without: [] });
  assert.deepEqual(source.inputs.map((i) => i.name), ["0, step 8", "1"]);
});

test("checks of heads are ordered by verdict, worst first, and their words are harmless", () => {
  const lines = checkLines({
    ...report,
    checks: [...report.checks, check("head.sharpness", 2, 0, { verdict: "warn", value: null, why: "of \u202etoken" })],
  });
  assert.deepEqual(lines.map(where), ["L0H0", "L0H1", "L0H1", "L1H0", "L2H0"]);
  assert.deepEqual(ordered(lines, "verdict", false).map((l) => l.verdict), ["fail", "warn", "pass", "pass", "pass"]);
  assert.deepEqual(ordered(lines, "value", false).map((l) => l.value), [0.25, 0.5, 0.5, 0.5, null]);
  assert.deepEqual(ordered(lines, "value", true).map((l) => l.value), [0.5, 0.5, 0.5, 0.25, null]);
  assert.equal(lines[4]!.why, "of [U+202E]token");
});
