// The report's page as a source: everything comes from its two JSON elements.

import { bytes, decode } from "./decode";
import { VERSION, type CodedMap, type Payload } from "./payload";
import { label } from "./text";
import type { CheckLine, Column, HeadLine, HeadMap, Metric, Place, Point, Source } from "./source";

/** The parts of the report that are read here; see crates/attractor-judge/src/report/mod.rs. */
export interface ReportJson {
  checks: CheckJson[];
  heads: Record<string, unknown>[];
}

export interface CheckJson {
  id: string;
  group: number;
  layer: number | null;
  head: number | null;
  value: number | null;
  null: number | null;
  interval: { low: number; high: number; level: number; method: string } | null;
  threshold: number | null;
  effect?: number | null;
  threshold_source?: string;
  verdict: string;
  /** false: a figure that nothing hangs on. */
  judged?: boolean;
  why?: string;
}

/** Columns whose meaning is known; others are shown under their own name. */
const COLUMNS: Record<string, { title: string; about: string; share: boolean; check?: string }> = {
  sharpness: { title: "Sharpness", about: "1 − H / ln n over the n visible keys: 0 is an average over all, 1 a single key", share: true, check: "head.sharpness" },
  effective_keys: { title: "Effective keys", about: "exp(H): how many keys a row spreads over", share: false },
  previous: { title: "Previous", about: "mean weight on the previous token", share: true, check: "head.previous" },
  induction: { title: "Induction", about: "mean weight on the token after an earlier occurrence of the current one", share: true, check: "head.induction" },
  near: { title: "Near", about: "weight on near keys, in units of a uniform row", share: false, check: "pos.local" },
  sink: { title: "Sink", about: "mean weight on the head's favourite position", share: true, check: "sink.rate" },
  variation: { title: "Variation", about: "how differently rows look: Jensen-Shannon divergence in units of ln 2", share: true, check: "query.variation" },
};

const NOT_FIGURES = new Set(["layer", "head", "class", "kinds"]);

const titled = (name: string) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");

/** The lines of the head table. */
export function headLines(report: ReportJson): { heads: HeadLine[]; columns: Column[] } {
  const failed = new Set(
    report.checks.filter((c) => c.verdict === "fail" && c.head !== null).map((c) => `${c.layer}.${c.head}`),
  );
  const names: string[] = [];
  const heads = report.heads.map((raw): HeadLine => {
    const figures: Record<string, number | null> = {};
    for (const [name, value] of Object.entries(raw)) {
      if (NOT_FIGURES.has(name) || !(value === null || typeof value === "number")) continue;
      figures[name] = value;
      if (!names.includes(name)) names.push(name);
    }
    const [layer, head] = [Number(raw.layer), Number(raw.head)];
    return {
      layer,
      head,
      class: typeof raw.class === "string" ? raw.class : null,
      kinds: Array.isArray(raw.kinds) ? raw.kinds.map(String) : [],
      failed: failed.has(`${layer}.${head}`),
      figures,
    };
  });
  const columns = names.map((name): Column => {
    const known = COLUMNS[name];
    return { name, title: known?.title ?? titled(name), about: known?.about ?? "", share: known?.share ?? false };
  });
  return { heads, columns };
}

/** The one number that all agree on, or null. */
function common(values: (number | null)[]): number | null {
  const first = values.find((v) => v !== null) ?? null;
  return values.every((v) => v === null || v === first) ? first : null;
}

/** Figures by layer and head: the table's columns, then the checks of single heads that it has no column for. */
export function metrics(report: ReportJson, heads: HeadLine[], columns: Column[]): Metric[] {
  const byId = new Map<string, CheckJson[]>();
  for (const check of report.checks) {
    // Group 1 asks whether it is attention at all: no figure to compare heads by.
    if (check.head === null || check.group === 1) continue;
    const own = byId.get(check.id);
    if (own) own.push(check);
    else byId.set(check.id, [check]);
  }
  const about = (checks: CheckJson[]) => {
    const interval = checks.find((c) => c.interval)?.interval;
    return {
      null: common(checks.map((c) => c.null)),
      threshold: common(checks.map((c) => c.threshold)),
      interval: interval ? `${Math.round(100 * interval.level)} %, ${interval.method}` : "",
    };
  };
  const all: Metric[] = columns.map((column) => {
    const checks = byId.get(COLUMNS[column.name]?.check ?? "") ?? [];
    byId.delete(COLUMNS[column.name]?.check ?? "");
    const at = new Map(checks.map((c) => [`${c.layer}.${c.head}`, c]));
    const points = heads.map(({ layer, head, figures }): Point => {
      const interval = at.get(`${layer}.${head}`)?.interval ?? null;
      return { layer, head, value: figures[column.name] ?? null, low: interval?.low ?? null, high: interval?.high ?? null };
    });
    return { ...column, points, ...about(checks) };
  });
  for (const [id, checks] of byId) {
    if (!checks.some((c) => c.value !== null)) continue;
    // Two checks may look at one figure.
    const points = checks.map((c): Point => ({
      layer: c.layer as number,
      head: c.head as number,
      value: c.value,
      low: c.interval?.low ?? null,
      high: c.interval?.high ?? null,
    }));
    all.push({ name: id, title: id, about: `the value of check ${id}`, share: false, points, ...about(checks) });
  }
  return all.filter((metric) => metric.points.some((p) => p.value !== null));
}

/** The checks of single layers and heads, words made harmless. */
export function checkLines(report: ReportJson): CheckLine[] {
  return report.checks
    .filter((c) => c.layer !== null)
    .map((c) => ({
      id: c.id,
      group: c.group,
      layer: c.layer,
      head: c.head,
      value: c.value,
      null: c.null,
      effect: c.effect ?? null,
      low: c.interval?.low ?? null,
      high: c.interval?.high ?? null,
      threshold: c.threshold,
      source: label(c.threshold_source ?? "", 400),
      verdict: c.judged === false && c.verdict !== "skipped" ? "reported" : c.verdict,
      why: label(c.why ?? "", 1000),
    }));
}

const key = (layer: number, head: number, input: number) => `${layer}.${head}.${input}`;

/** A source of a report and a payload; either may be missing. */
export function pageSource(report: ReportJson, payload: Payload | null): Source {
  if (payload && payload.version !== VERSION) {
    throw new Error(`maps of version ${payload.version}; this page's script reads version ${VERSION}`);
  }
  const { heads, columns } = headLines(report);
  const coded = new Map<string, CodedMap>((payload?.maps ?? []).map((m) => [key(m.layer, m.head, m.input), m]));
  const reasons = new Map<string, string>();
  for (const { why, heads: places } of payload?.without ?? []) for (const p of places) reasons.set(key(...p), why);
  const decoded = new Map<string, Promise<HeadMap>>();
  const places = [...heads, ...(payload?.maps ?? [])];
  const ascending = (values: number[]) => [...new Set(values)].sort((a, b) => a - b);
  return {
    palettes: (payload?.palettes ?? []).map((p) => ({ name: p.name, colours: bytes(p.colours) })),
    inputs: (payload?.inputs ?? []).map((i) => ({ ...i, special: new Set(i.special) })),
    heads,
    columns,
    metrics: metrics(report, heads, columns),
    checks: checkLines(report),
    layers: ascending(places.map((p) => p.layer)),
    headNumbers: ascending(places.map((p) => p.head)),
    has: (place: Place) => coded.has(key(place.layer, place.head, place.input)),
    async map(place: Place) {
      const name = key(place.layer, place.head, place.input);
      const own = coded.get(name);
      if (!own) return reasons.get(name) ?? "This page has no map of this head.";
      let map = decoded.get(name);
      if (!map) {
        map = decode(own);
        decoded.set(name, map);
      }
      return map;
    },
  };
}

/** The source of this document; null where it holds no report. */
export function documentSource(): Source | null {
  const json = <T>(id: string): T | null => {
    const text = document.getElementById(id)?.textContent;
    return text ? (JSON.parse(text) as T) : null;
  };
  const report = json<ReportJson>("report");
  return report ? pageSource(report, json<Payload>("maps")) : null;
}
