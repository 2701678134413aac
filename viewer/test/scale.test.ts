import assert from "node:assert/strict";
import test from "node:test";
import { aligned, fixed, linear, log, number, quantile, ticks, weightText } from "../src/scale";

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} for ${b}`);

test("a weight comes back from its position on every scale", () => {
  const weights = [0.001, 0.0137, 0.2, 0.31, 0.7, 0.93];
  for (const scale of [linear(0, 1), log(1e-3, 1), quantile(weights)]) {
    for (const weight of weights) near(scale.weight(scale.position(weight)), weight);
    assert.ok(Number.isNaN(scale.position(Number.NaN)));
    assert.equal(scale.position(-1), 0);
    assert.equal(scale.position(2), 1);
  }
});

test("the logarithmic scale is even in decades", () => {
  const scale = log(1e-4, 1);
  near(scale.position(0.01), 0.5);
  assert.equal(scale.position(0), 0);
  assert.deepEqual(scale.ticks.map((t) => number(t)), ["10⁻⁴", "0.001", "0.01", "0.1", "1"]);
});

test("ranks give every weight its place and ties the same one", () => {
  const scale = quantile([0.5, 0.1, 0.1, 0.9, Number.NaN]);
  near(scale.position(0.9), 1);
  near(scale.position(0.5), 2 / 3);
  near(scale.position(0.1), 1 / 6);
  // Nothing to rank.
  near(quantile([]).position(0.25), 0.25);
});

test("ticks are round", () => {
  const close = (a: number[], b: number[]) => assert.deepEqual(a.map((x) => x.toFixed(9)), b.map((x) => x.toFixed(9)));
  close(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  close(ticks(0, 255, 5), [0, 100, 200]);
  close(ticks(0, 63, 7), [0, 10, 20, 30, 40, 50, 60]);
  close(ticks(3, 3, 4), [3]);
});

test("numbers are short and say what they are", () => {
  assert.equal(number(0.25), "0.25");
  assert.equal(number(-0.001), "−0.001");
  assert.equal(number(0.00012345), "1.2·10⁻⁴");
  assert.equal(number(1e-7), "10⁻⁷");
  assert.equal(number(123456), "123456");
  assert.equal(number(0), "0");
  assert.equal(number(null), "–");
  assert.equal(number(Number.NaN), "NaN");
  assert.equal(number(-Infinity), "−∞");
  assert.equal(fixed(-0.0001, 3), "0.000");
  assert.equal(fixed(-0.0126, 3), "−0.013");
  assert.equal(weightText(0.91234567), "0.9123");
  assert.equal(weightText(0.00001), "10⁻⁵");
  assert.equal(weightText(0), "0.0000");
});

test("a column has one number of decimals, chosen by its largest", () => {
  assert.deepEqual([0.0757, 0.14, null, 0.948].map(aligned([0.0757, 0.14, null, 0.948])), ["0.076", "0.140", "–", "0.948"]);
  assert.deepEqual([1.4523, 215.3].map(aligned([1.4523, 215.3])), ["1", "215"]);
  assert.deepEqual([1.4523, 19.31].map(aligned([1.4523, 19.31])), ["1.5", "19.3"]);
  assert.deepEqual([2.5e-7, 0].map(aligned([2.5e-7, 0])), ["2.5·10⁻⁷", "0"]);
});
