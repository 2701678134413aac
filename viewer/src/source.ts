// Where components get what they show. The report's page is one such source, a live server can be another.

import type { CheckId, Class, HeadKind, Verdict } from "./schema";

/** A head of an input. */
export interface Place {
  layer: number;
  head: number;
  input: number;
}

/** "L1H3" */
export const headName = (place: { layer: number; head: number }): string => `L${place.layer}H${place.head}`;

/** A colour map of 256 colours, [256 x 3]. */
export interface Palette {
  name: string;
  colours: Uint8Array;
}

/** An input that can be looked at. */
export interface Input {
  input: number;
  /** What a reader is told it is: "0", or "0, step 8" where inputs have steps. */
  name: string;
  /** Token texts, untrusted; empty if unknown. */
  texts: string[];
  special: ReadonlySet<number>;
  prompt: number | null;
}

/** A query, a key and the exact weight between them. */
export interface Link {
  query: number;
  key: number;
  weight: number;
}

/** A head's map, pooled by the maximum where it is larger than the grid. */
export interface HeadMap extends Place {
  rows: number;
  columns: number;
  queries: number;
  keys: number;
  /** True if the cells were pooled at capture and no weight was read since. */
  kept: boolean;
  /** Weights, [rows x columns]; 0 where masked or below `low`, NaN where no number. */
  weights: Float32Array;
  /** 1 where the mask allows nothing. */
  masked: Uint8Array;
  /** Smallest weight that is told from nothing. */
  low: number;
  /** Relative error of a weight other than a link's. */
  error: number;
  links: Link[];
  sinks: { key: number; mean: number }[];
  /** Share that the queries of each row of cells give to the sinks; empty without sinks. */
  sunk: Float32Array;
}

/** A head in a line of the table. */
export interface HeadLine {
  layer: number;
  head: number;
  /** null: not testable. */
  class: Class | null;
  kinds: HeadKind[];
  failed: boolean;
  /** By column name; null: not there. */
  figures: Record<string, number | null>;
}

/** A column of the head table. */
export interface Column {
  name: string;
  title: string;
  about: string;
  /** True if the figure is a share of one. */
  share: boolean;
}

/** A figure of one head, with what there is to doubt it. */
export interface Point {
  layer: number;
  head: number;
  value: number | null;
  low: number | null;
  high: number | null;
}

/** A figure of every head. */
export interface Metric {
  name: string;
  title: string;
  about: string;
  share: boolean;
  points: Point[];
  /** What it would be if there were nothing, if that is one number for all. */
  null: number | null;
  threshold: number | null;
  /** "95 %, BCa bootstrap" */
  interval: string;
}

/** A check of a layer or a head. */
export interface CheckLine {
  id: CheckId;
  /** 1 to 9. */
  group: number;
  layer: number | null;
  head: number | null;
  value: number | null;
  null: number | null;
  effect: number | null;
  low: number | null;
  high: number | null;
  threshold: number | null;
  /** Where the threshold comes from. */
  source: string;
  /** "reported" where nothing hangs on it. */
  verdict: Verdict | "reported";
  /** The answer in words; untrusted, as tokens may be quoted in it. */
  why: string;
}

/** All that the components ask for. */
export interface Source {
  palettes: Palette[];
  inputs: Input[];
  heads: HeadLine[];
  columns: readonly Column[];
  metrics: Metric[];
  /** Checks of single layers and heads. */
  checks: CheckLine[];
  /** Layers and heads that maps or figures exist for, both ascending. */
  layers: number[];
  headNumbers: number[];
  /** True if a place has a map. */
  has(place: Place): boolean;
  /** The map, or why there is none. */
  map(place: Place): Promise<HeadMap | string>;
}
