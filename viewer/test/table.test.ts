import assert from "node:assert/strict";
import test from "node:test";
import { means, places } from "../src/components/chart";
import { ordered, where } from "../src/components/checks";
import { filtered, sorted } from "../src/components/table";
import { type CheckJson, checkLines, headLines, metrics, pageSource } from "../src/page-source";

const check = (id: string, layer: number | null, head: number | null, more: Partial<CheckJson> = {}): CheckJson => ({
  id, group: 5, layer, head, value: 0.5, null: 0.1, threshold: 0.4, verdict: "pass",
  interval: { low: 0.45, high: 0.55, level: 0.95, method: "BCa bootstrap" }, ...more,
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
    { layer: 0, head: 0, class: "sharp", sharpness: 0.5, previous: 0.9, effective_keys: null, kinds: ["previous-token"] },
    { layer: 0, head: 1, class: null, sharpness: null, previous: 0.1, effective_keys: null, kinds: [] },
    { layer: 1, head: 0, class: "broad", sharpness: 0.1, previous: 0.9, effective_keys: null, kinds: ["sink", "local"], unheard_of: 3 },
  ],
};
const { heads, columns } = headLines(report);
const names = (lines: typeof heads) => lines.map((h) => `${h.layer}.${h.head}`);

test("figures that the table does not know get a column of their own", () => {
  assert.deepEqual(columns.map((c) => c.title), ["Sharpness", "Previous", "Effective keys", "Unheard of"]);
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

test("intervals come from the checks, and checks without a column become figures", () => {
  const all = metrics(report, heads, columns);
  // Effective keys is nowhere a number; group 1 is no figure.
  assert.deepEqual(all.map((m) => m.name), ["sharpness", "previous", "unheard_of", "pos.content"]);
  const sharpness = all[0]!;
  assert.deepEqual(sharpness.points[0], { layer: 0, head: 0, value: 0.5, low: 0.45, high: 0.55 });
  assert.equal(sharpness.points[2]!.low, null);
  assert.equal(sharpness.null, null);
  assert.equal(sharpness.threshold, 0.4);
  assert.equal(sharpness.interval, "95 %, BCa bootstrap");
  assert.equal(all[1]!.interval, "");
});

test("dots of a layer stand side by side around it", () => {
  const points = metrics(report, heads, columns)[1]!.points;
  const dots = places(points, [0, 1]);
  assert.deepEqual(dots.map((d) => d.x), [-0.31, 0.31, 1]);
  assert.deepEqual(means(points, [0, 1, 2]), [0.5, 0.9, null]);
});

test("a head without a map says why", async () => {
  const payload = { version: 1, palettes: [], inputs: [], maps: [], without: [{ why: "no room", heads: [[0, 1, 0] as [number, number, number]] }] };
  const source = pageSource(report, payload);
  assert.equal(await source.map({ layer: 0, head: 1, input: 0 }), "no room");
  assert.equal(await source.map({ layer: 0, head: 0, input: 0 }), "This page has no map of this head.");
  assert.throws(() => pageSource(report, { ...payload, version: 9 }), /version 9/);
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
