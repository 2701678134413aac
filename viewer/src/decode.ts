// From the page's base64 to numbers.

import type { CodedMap } from "./schema";
import type { HeadMap } from "./source";

const STEPS = 168;
/** Code of the largest weight. */
const TOP = 2 + STEPS;

/** Bytes of base64. */
export function bytes(text: string): Uint8Array {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) out[i] = binary.charCodeAt(i);
  return out;
}

/** Inflates raw deflate. */
export async function inflate(data: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([data as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The weight that each code stands for. */
export function table(low: number, high: number): Float32Array {
  const out = new Float32Array(256);
  for (let code = 2; code <= TOP; code += 1) out[code] = low * (high / low) ** ((code - 2) / STEPS);
  // The ends are told exactly.
  out[2] = low;
  out[TOP] = high;
  out[255] = Number.NaN;
  return out;
}

/** A map as the components take it. */
export async function decode(coded: CodedMap): Promise<HeadMap> {
  const codes = await inflate(bytes(coded.cells));
  const count = coded.rows * coded.columns;
  if (codes.length !== count) throw new Error(`${codes.length} codes for ${coded.rows} x ${coded.columns} cells`);
  const weight = table(coded.low, coded.high);
  const weights = new Float32Array(count);
  const masked = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) {
    const code = codes[i] as number;
    weights[i] = weight[code] as number;
    masked[i] = code === 0 ? 1 : 0;
  }
  const sunk = bytes(coded.sunk);
  const shares = new Float32Array(sunk.length >> 1);
  for (let i = 0; i < shares.length; i += 1) {
    shares[i] = ((sunk[2 * i] as number) + 256 * (sunk[2 * i + 1] as number)) / 65535;
  }
  const { layer, head, input, rows, columns, queries, keys, kept } = coded;
  return {
    layer,
    head,
    input,
    rows,
    columns,
    queries,
    keys,
    kept,
    weights,
    masked,
    low: coded.low,
    error: Math.expm1(Math.log(coded.high / coded.low) / STEPS / 2),
    links: coded.links.map(([query, key, value]) => ({ query, key, weight: value })),
    sinks: coded.sinks.map(([key, mean]) => ({ key, mean })),
    sunk: shares,
  };
}
