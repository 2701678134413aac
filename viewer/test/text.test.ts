import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { isHidden, label, pieces } from "../src/text";

// Bundled into .build/, from where the cases lie beside the crate's own tests.
const cases = JSON.parse(
  readFileSync(new URL("../../crates/attractor-render/tests/text_cases.json", import.meta.url), "utf8"),
) as { text: string; limit: number; label: string }[];

test("labels are those of the crate", () => {
  assert.ok(cases.length > 20);
  for (const { text, limit, label: expected } of cases) assert.equal(label(text, limit), expected, JSON.stringify(text));
});

test("what reorders is never plain", () => {
  for (const n of [0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0x200e, 0x200f, 0x61c]) {
    assert.ok(isHidden(n));
    const all = pieces(`a${String.fromCodePoint(n)}b`);
    assert.deepEqual(all.map((p) => "code" in p), [false, true, false]);
  }
});
