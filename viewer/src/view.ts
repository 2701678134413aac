// What is seen of a map: which cells, on which scale, with or without the sink.

import { linear, log, quantile, type Scale, type Spacing } from "./scale";
import type { HeadMap } from "./source";

/** How a map is looked at. */
export interface Look {
  spacing: Spacing;
  /** True: one scale for all heads; false: each head has its own. */
  shared: boolean;
  /** Hide the sinks and divide each row by what they leave: no longer the attention that the model used. */
  hideSink: boolean;
  /** Index of the palette. */
  palette: number;
}

/** A map ready to be coloured. */
export interface Seen {
  map: HeadMap;
  /** [rows x columns]; what is blank counts as zero. */
  weights: Float32Array;
  /** 0: shown, 1: masked, 2: holds a hidden sink. */
  blank: Uint8Array;
  scale: Scale;
  /** True if the sinks are hidden here. */
  without: boolean;
}

/** First position of a cell, and the first behind it. */
export const span = (cell: number, cells: number, positions: number): [number, number] => [
  Math.floor((cell * positions) / cells),
  Math.floor(((cell + 1) * positions) / cells),
];

/** The cell of a position. */
export const cellOf = (position: number, cells: number, positions: number): number =>
  Math.floor(((position + 1) * cells - 1) / positions);

/** True if cells stand for several pairs. */
export const isPooled = (map: { rows: number; columns: number; queries: number; keys: number }): boolean =>
  map.rows < map.queries || map.columns < map.keys;

/** The weights without the sinks, each row divided by what they leave on average over its queries. */
export function withoutSinks(map: HeadMap): { weights: Float32Array; blank: Uint8Array } {
  const weights = map.weights.slice();
  const blank = map.masked.slice();
  const columns = new Set(map.sinks.map((sink) => cellOf(sink.key, map.columns, map.keys)));
  for (let row = 0; row < map.rows; row += 1) {
    const left = 1 - (map.sunk[row] ?? 0);
    for (let column = 0; column < map.columns; column += 1) {
      const cell = row * map.columns + column;
      if (columns.has(column)) {
        if (!blank[cell]) blank[cell] = 2;
        weights[cell] = 0;
      } else {
        // Of pooled rows the division is by a mean: a share stays a share.
        weights[cell] = left > 0 ? Math.min(1, (weights[cell] as number) / left) : 0;
      }
    }
  }
  return { weights, blank };
}

/** Lowest weight of the shared logarithmic scale: a tenth of a uniform row, in whole decades. */
export const floorOf = (keys: number): number => 10 ** Math.min(-3, Math.floor(Math.log10(0.1 / Math.max(1, keys))));

/** What is seen of a map. */
export function see(map: HeadMap, look: Look): Seen {
  const without = look.hideSink && map.sinks.length > 0;
  const { weights, blank } = without ? withoutSinks(map) : { weights: map.weights, blank: map.masked };
  const shown = function* () {
    for (let i = 0; i < weights.length; i += 1) if (!blank[i]) yield weights[i] as number;
  };
  const extent = () => {
    let [low, high] = [Number.POSITIVE_INFINITY, 0];
    for (const w of shown()) {
      if (w > 0 && w < low) low = w;
      if (w > high) high = w;
    }
    return high > 0 ? { low: Math.min(low, high), high } : { low: 0, high: 1 };
  };
  let scale: Scale;
  if (look.spacing === "quantile") scale = quantile(shown());
  else if (look.shared) scale = look.spacing === "log" ? log(floorOf(map.keys), 1) : linear(0, 1);
  else {
    const { low, high } = extent();
    scale = look.spacing === "log" ? log(Math.max(low, high * 1e-5), high) : linear(0, high);
  }
  return { map, weights, blank, scale, without };
}

/** A smaller map of maxima, at most `side` x `side`. */
export function pool(weights: Float32Array, blank: Uint8Array, rows: number, columns: number, side: number) {
  const [down, across] = [Math.min(rows, side), Math.min(columns, side)];
  const out = new Float32Array(down * across).fill(Number.NEGATIVE_INFINITY);
  const empty = new Uint8Array(down * across).fill(1);
  for (let row = 0; row < rows; row += 1) {
    const base = cellOf(row, down, rows) * across;
    for (let column = 0; column < columns; column += 1) {
      const from = row * columns + column;
      if (blank[from]) continue;
      const cell = base + cellOf(column, across, columns);
      const weight = weights[from] as number;
      empty[cell] = 0;
      if (Number.isNaN(weight) || weight > (out[cell] as number)) out[cell] = weight;
    }
  }
  for (let i = 0; i < out.length; i += 1) if (empty[i]) out[i] = 0;
  return { weights: out, blank: empty, rows: down, columns: across };
}
