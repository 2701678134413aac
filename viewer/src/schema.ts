// What the page carries for this script. Generated from the structures of Rust by the test
// crates/attractor-render/tests/schema.rs, which says how; not to be changed by hand.

/** The form of the payload that this script reads. */
export const VERSION = 2;

/** The question that a check puts; what it is called in JSON is stable. */
export type CheckId =
  | "norm.finite"
  | "norm.range"
  | "norm.rows"
  | "mask.causal"
  | "mask.support"
  | "mask.probe"
  | "norm.bounds"
  | "out.av"
  | "out.projection"
  | "out.evaluation"
  | "input.distinct"
  | "kl.identity"
  | "pos.local"
  | "pos.content"
  | "tok.repeat"
  | "tok.special"
  | "tok.punctuation"
  | "tok.first"
  | "sink.rate"
  | "base.uniform"
  | "base.entropy"
  | "head.sharpness"
  | "head.previous"
  | "head.induction"
  | "query.variation"
  | "query.content"
  | "div.mantel"
  | "div.beliefs"
  | "grad.flow"
  | "grad.finite"
  | "grad.parameters"
  | "loss.perplexity"
  | "abl.uniform"
  | "abl.self"
  | "abl.previous"
  | "abl.local"
  | "abl.mean-map"
  | "abl.other-input"
  | "abl.zero";

/** Which stack of layers a layer belongs to; layers are numbered within their stack. */
export type Stack = "only" | "encoder" | "decoder" | "cross";

/** What a check came to. */
export type Verdict = "pass" | "warn" | "fail" | "skipped";

/** How sharp a head is: 1 - H / ln n against fixed cuts, so the class does not change with the length of the input. */
export type Class = "uniform" | "broad" | "medium" | "sharp";

/** What a head was recognised as. */
export type HeadKind =
  | "previous-token"
  | "previous-token?"
  | "induction"
  | "induction?"
  | "sink"
  | "sink?"
  | "local";

/** A colour map. */
export interface Palette {
  /** Its name. */
  name: string;
  /** 256 times red, green, blue; base64. */
  colours: string;
}

/** A step of an input: of decoding, of diffusion, of training. */
export interface Step {
  /** The number that the capture gave it. Neighbouring numbers are neighbouring steps; there may be gaps. */
  number: number;
  /** The block of positions that was worked on, where decoding goes block by block; counted from 0. */
  block: number | null;
}

/** What an entry of a capture shows: an input, or one step of it. */
export interface Origin {
  /** Which input, counted from 0; entries of the same input are its steps. */
  input: number;
  /** Which of its steps; `None`: it has one, which needs no number. */
  step: Step | null;
}

/** An input's tokens, as untrusted as they came. */
export interface InputTokens {
  /** The entry of the report, as maps and checks name it. */
  input: number;
  /** The input that the entry shows, and at which step. */
  origin: Origin;
  /** Texts, one per position; empty if unknown. */
  texts: string[];
  /** Positions that stand for no piece of the input. */
  special: number[];
  /** Number of leading positions that were given, if that is known. */
  prompt: number | null;
}

/** A head's map on an input. */
export interface CodedMap {
  /** Layer, the model's own number. */
  layer: number;
  /** Head, the model's own number. */
  head: number;
  /** Which input. */
  input: number;
  /** Cells down; cell row a covers queries floor(a queries / rows) to floor((a + 1) queries / rows). */
  rows: number;
  /** Cells across, in the same way. */
  columns: number;
  /** Queries. */
  queries: number;
  /** Keys. */
  keys: number;
  /** True if the weights were not kept: the cells are pooled maxima that the capture kept. */
  kept: boolean;
  /** Weight of code 2. */
  low: number;
  /** Weight of code 170, the largest of the map. */
  high: number;
  /** The codes, [rows x columns]. */
  cells: string;
  /** (query, key, weight): the pairs that stand out most from a uniform row, strongest first; exact. */
  links: [number, number, number][];
  /** (key, mean weight): keys that hold more than 0.3 of what the queries that see them give away. */
  sinks: [number, number][];
  /** Mean weight that each cell row's queries give to `sinks`, in 65535ths, little-endian, base64; empty without sinks. */
  sunk: string;
}

/** Heads without a map, and why. */
export interface Without {
  /** The reason, in words. */
  why: string;
  /** (layer, head, input). */
  heads: [number, number, number][];
}

/** Everything that the script draws from. */
export interface Payload {
  /** `VERSION`. */
  version: number;
  /** Colour maps, the page's own first. */
  palettes: Palette[];
  /** The inputs whose maps are here. */
  inputs: InputTokens[];
  /** The maps. */
  maps: CodedMap[];
  /** Heads without a map, by reason. */
  without: Without[];
}

/** A confidence interval. */
export interface Interval {
  /** Lower end. */
  low: number;
  /** Upper end. */
  high: number;
  /** Confidence level, in (0, 1). */
  level: number;
  /** How it was found. */
  method: string;
}

/** One question put to the attention, and its answer. */
export interface Check {
  /** Which question; in JSON its stable name: `norm.rows`, `pos.local`, `abl.uniform`... */
  id: CheckId;
  /** 1 to 9. */
  group: number;
  /** The stack that is judged, where the model has several. */
  stack: Stack | null;
  /** The model's own layer number. */
  layer: number | null;
  /** The model's own head number. */
  head: number | null;
  /** The figure. */
  value: number | null;
  /** What the figure would be if there were nothing. */
  null: number | null;
  /** How far it is from nothing; `why` says in which unit where it is not the difference of value and null. */
  effect: number | null;
  /** Interval of the value over inputs; null with fewer than five of them. */
  interval: Interval | null;
  /** Why a check with a value has no interval. */
  no_interval: string | null;
  /** What the value is compared with. */
  threshold: number | null;
  /** Where the threshold comes from. */
  threshold_source: string;
  /** False for a figure that is there to be read: its verdict is `pass` whatever it is, and no summary counts it. */
  judged: boolean;
  /** The answer. */
  verdict: Verdict;
  /** The answer in words. */
  why: string;
}

/** What a figure of a head is compared with, and how far it is known. */
export interface HeadEstimate {
  /** What it would be if there were nothing. */
  null: number | null;
  /** Its interval over inputs. */
  interval: Interval | null;
  /** What it is compared with. */
  threshold: number | null;
}

/** The estimates of a head's figures: of those that a check looked at. */
export interface HeadEstimates {
  /** Of the sharpness. */
  sharpness: HeadEstimate | null;
  /** Of the mass on the previous token. */
  previous: HeadEstimate | null;
  /** Of the mass on successors of earlier occurrences. */
  induction: HeadEstimate | null;
  /** Of the enrichment of near keys. */
  near: HeadEstimate | null;
  /** Of the mass on the favourite position. */
  sink: HeadEstimate | null;
  /** Of the divergence between rows. */
  variation: HeadEstimate | null;
}

/** A head in a line. */
export interface HeadSummary {
  /** Layer. */
  layer: number;
  /** Head. */
  head: number;
  /** How sharp it is; `None`: not testable. */
  class: Class | null;
  /** 1 - H / ln n. */
  sharpness: number | null;
  /** exp(H), keys. */
  effective_keys: number | null;
  /** Mean mass on the previous token. */
  previous: number | null;
  /** Mean mass on the successors of earlier occurrences. */
  induction: number | null;
  /** Enrichment of near keys, 1 if uniform. */
  near: number | null;
  /** Mean attention to the head's favourite position. */
  sink: number | null;
  /** Divergence between rows, units of ln 2. */
  variation: number | null;
  /** What it was recognised as. */
  kinds: HeadKind[];
  /** What there is to doubt its figures. */
  estimates: HeadEstimates;
}

/** The figures of a head's line. */
export type HeadFigure = "sharpness" | "effective_keys" | "previous" | "induction" | "near" | "sink" | "variation";

/** A column of the head table. */
export interface HeadColumn {
  name: HeadFigure;
  title: string;
  about: string;
  /** True if it is a share of one. */
  share: boolean;
  /** The check whose value it is. */
  check: CheckId | null;
}

export const HEAD_COLUMNS: readonly HeadColumn[] = [
  { name: "sharpness", title: "Sharpness", about: "1 − H / ln n over the n visible keys: 0 is an average over all, 1 a single key", share: true, check: "head.sharpness" },
  { name: "effective_keys", title: "Effective keys", about: "exp(H): how many keys a row spreads over", share: false, check: null },
  { name: "previous", title: "Previous", about: "mean weight on the previous token", share: true, check: "head.previous" },
  { name: "induction", title: "Induction", about: "mean weight on the token after an earlier occurrence of the current one", share: true, check: "head.induction" },
  { name: "near", title: "Near", about: "weight on near keys, in units of a uniform row", share: false, check: "pos.local" },
  { name: "sink", title: "Sink", about: "mean weight on the head's most-attended position", share: true, check: "sink.rate" },
  { name: "variation", title: "Variation", about: "how much rows differ: Jensen-Shannon divergence in units of ln 2", share: true, check: "query.variation" },
];
