import assert from "node:assert/strict";
import test from "node:test";
import { deflateRawSync } from "node:zlib";
import { decode, table } from "../src/decode";
import type { CodedMap } from "../src/schema";
import { type Look, cellOf, floorOf, pool, see, span, withoutSinks } from "../src/view";

const look: Look = { spacing: "linear", shared: true, hideSink: false, palette: 0 };

function coded(codes: number[], rows: number, columns: number, more: Partial<CodedMap> = {}): CodedMap {
  return {
    layer: 1, head: 2, input: 0, rows, columns, queries: rows, keys: columns, kept: false, low: 0.001, high: 0.8,
    cells: Buffer.from(deflateRawSync(Uint8Array.from(codes))).toString("base64"),
    links: [[1, 0, 0.12345679]], sinks: [], sunk: "", ...more,
  };
}

test("codes are the weights that the crate says they are", async () => {
  const map = await decode(coded([0, 1, 2, 86, 170, 255], 2, 3));
  const f = Math.fround;
  assert.deepEqual([...map.masked], [1, 0, 0, 0, 0, 0]);
  assert.deepEqual([...map.weights.slice(0, 3)], [0, 0, f(0.001)]);
  // Half way in the logarithm.
  assert.ok(Math.abs((map.weights[3] as number) - Math.sqrt(0.001 * 0.8)) < 1e-7);
  assert.equal(map.weights[4], f(0.8));
  assert.ok(Number.isNaN(map.weights[5]));
  assert.deepEqual(map.links, [{ query: 1, key: 0, weight: 0.12345679 }]);
  assert.ok(map.error > 0.0200 && map.error < 0.0202);
  // One weight only: every code is that weight.
  assert.equal(table(0.5, 0.5)[170], 0.5);
});

test("cells that contradict their shape are refused", async () => {
  await assert.rejects(decode(coded([1, 1], 2, 3)), /2 codes for 2 x 3 cells/);
  await assert.rejects(decode(coded([1], 1, 1, { cells: "AAAA" })));
});

test("every position has one cell, and the cell's span holds it", () => {
  for (const [positions, cells] of [[300, 40], [131, 128], [7, 7], [16384, 128], [129, 64]] as const) {
    let last = 0;
    for (let p = 0; p < positions; p += 1) {
      const cell = cellOf(p, cells, positions);
      const [from, to] = span(cell, cells, positions);
      assert.ok(from <= p && p < to && cell >= last && cell < cells);
      last = cell;
    }
    assert.equal(last, cells - 1);
  }
});

test("without the sink each row is divided by what it leaves", async () => {
  const sunk = Buffer.from(Uint16Array.from([0, 49151, 65535]).buffer).toString("base64");
  const map = await decode(coded([170, 0, 0, 170, 86, 0, 170, 2, 1], 3, 3, { sinks: [[0, 0.7]], sunk }));
  const { weights, blank } = withoutSinks(map);
  assert.deepEqual([...blank], [2, 1, 1, 2, 0, 1, 2, 0, 0]);
  assert.ok(Math.abs((weights[4] as number) - Math.sqrt(0.001 * 0.8) / 0.25) < 1e-5);
  // A row that gives the sink everything has nothing left to show.
  assert.equal(weights[7], 0);
  // Only where it is asked for, and only where there is a sink.
  assert.equal(see(map, look).without, false);
  assert.equal(see(map, { ...look, hideSink: true }).without, true);
  const plain = await decode(coded([170, 0, 0, 170], 2, 2));
  assert.equal(see(plain, { ...look, hideSink: true }).weights, plain.weights);
});

test("one scale for all heads, or each its own", async () => {
  const map = await decode(coded([170, 0, 2, 86], 2, 2));
  const scale = (spacing: Look["spacing"], shared: boolean) => see(map, { ...look, spacing, shared }).scale;
  assert.deepEqual([scale("linear", true).low, scale("linear", true).high], [0, 1]);
  assert.equal(scale("linear", false).high, Math.fround(0.8));
  assert.deepEqual([scale("log", true).low, scale("log", true).high], [0.001, 1]);
  assert.equal(scale("log", false).low, Math.fround(0.001));
  assert.equal(scale("quantile", true).position(Math.fround(0.8)), 1);
  assert.equal(floorOf(16384), 1e-6);
  assert.equal(floorOf(32), 1e-3);
});

test("small pictures keep the maximum, and blank only what is blank", () => {
  const weights = Float32Array.from([0.1, 0.9, 0, 0, 0.2, 0.3, 0, 0, 0, 0, Number.NaN, 0.5, 0, 0, 0.1, 0.2]);
  const blank = Uint8Array.from([0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  const small = pool(weights, blank, 4, 4, 2);
  assert.deepEqual([...small.blank], [0, 1, 0, 0]);
  assert.equal(small.weights[0], Math.fround(0.9));
  assert.ok(Number.isNaN(small.weights[3]));
});
