// What the page carries for this script, field by field what crates/attractor-render/src/html/payload.rs writes.
// The meaning of the codes is told there.

export const VERSION = 1;

/** Everything that is drawn from. */
export interface Payload {
  version: number;
  palettes: CodedPalette[];
  inputs: InputTokens[];
  maps: CodedMap[];
  without: Without[];
}

/** A colour map: 256 times red, green, blue; base64. */
export interface CodedPalette {
  name: string;
  colours: string;
}

/** An input's tokens, as untrusted as they came. */
export interface InputTokens {
  input: number;
  /** One a position; empty if unknown. */
  texts: string[];
  /** Positions that stand for no piece of the input. */
  special: number[];
  /** Number of leading positions that were given. */
  prompt: number | null;
}

/** A head's map on an input. */
export interface CodedMap {
  layer: number;
  head: number;
  input: number;
  rows: number;
  columns: number;
  queries: number;
  keys: number;
  /** True if the weights were not kept: the cells are pooled maxima that the capture kept. */
  kept: boolean;
  /** Weight of code 2. */
  low: number;
  /** Weight of code 170. */
  high: number;
  /** Codes row by row, deflate-raw, base64. */
  cells: string;
  /** (query, key, weight), exact, strongest first. */
  links: [number, number, number][];
  /** (key, mean weight) of the sinks. */
  sinks: [number, number][];
  /** Mean weight on the sinks for each row of cells, 65535ths, little-endian, base64. */
  sunk: string;
}

/** Heads without a map, and why; each is (layer, head, input). */
export interface Without {
  why: string;
  heads: [number, number, number][];
}
