// The report's page as a source: everything comes from its two JSON elements.

import { bytes, decode } from "./decode";
import {
  HEAD_COLUMNS,
  VERSION,
  type Check,
  type CheckId,
  type CodedMap,
  type HeadEstimate,
  type HeadFigure,
  type HeadSummary,
  type Origin,
  type Payload,
} from "./schema";
import { label } from "./text";
import type { CheckLine, Column, HeadLine, HeadMap, Metric, Place, Point, Source } from "./source";

/** The parts of the report that are read here. */
export interface Report {
  checks: Check[];
  heads: HeadSummary[];
}

/** The lines of the head table. */
export function headLines(report: Report): { heads: HeadLine[]; columns: readonly Column[] } {
  const failed = new Set(
    report.checks.filter((c) => c.verdict === "fail" && c.head !== null).map((c) => `${c.layer}.${c.head}`),
  );
  const heads = report.heads.map((own): HeadLine => ({
    layer: own.layer,
    head: own.head,
    class: own.class,
    kinds: own.kinds,
    failed: failed.has(`${own.layer}.${own.head}`),
    figures: Object.fromEntries(HEAD_COLUMNS.map(({ name }) => [name, own[name]])),
  }));
  return { heads, columns: HEAD_COLUMNS };
}

/** The one number that all agree on, or null. */
function common(values: (number | null)[]): number | null {
  const first = values.find((v) => v !== null) ?? null;
  return values.every((v) => v === null || v === first) ? first : null;
}

/** What there is to doubt a figure of a head; null if no check looked at it. */
const estimate = (own: HeadSummary, figure: HeadFigure): HeadEstimate | null =>
  (own.estimates as Partial<Record<HeadFigure, HeadEstimate | null>>)[figure] ?? null;

/** Figures by layer and head: the table's columns, then the checks of single heads that it has no column for. */
export function metrics(report: Report, heads: HeadLine[]): Metric[] {
  const byId = new Map<CheckId, Check[]>();
  for (const check of report.checks) {
    // Group 1 asks whether it is attention at all: no figure to compare heads by.
    if (check.head === null || check.group === 1) continue;
    const own = byId.get(check.id);
    if (own) own.push(check);
    else byId.set(check.id, [check]);
  }
  const about = (all: HeadEstimate[]) => {
    const interval = all.find((e) => e.interval)?.interval;
    return {
      null: common(all.map((e) => e.null)),
      threshold: common(all.map((e) => e.threshold)),
      interval: interval ? `${Math.round(100 * interval.level)} %, ${interval.method}` : "",
    };
  };
  const all: Metric[] = HEAD_COLUMNS.map(({ check, ...column }) => {
    // Its check is not listed once more below.
    if (check) byId.delete(check);
    const known = report.heads.map((own) => estimate(own, column.name));
    const points = heads.map(({ layer, head, figures }, at): Point => {
      const interval = known[at]?.interval ?? null;
      return { layer, head, value: figures[column.name] ?? null, low: interval?.low ?? null, high: interval?.high ?? null };
    });
    return { ...column, points, ...about(known.filter((e) => e !== null)) };
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
export function checkLines(report: Report): CheckLine[] {
  return report.checks
    .filter((c) => c.layer !== null)
    .map((c) => ({
      id: c.id,
      group: c.group,
      layer: c.layer,
      head: c.head,
      value: c.value,
      null: c.null,
      effect: c.effect,
      low: c.interval?.low ?? null,
      high: c.interval?.high ?? null,
      threshold: c.threshold,
      source: label(c.threshold_source, 400),
      verdict: !c.judged && c.verdict !== "skipped" ? "reported" : c.verdict,
      why: label(c.why, 1000),
    }));
}

const key = (layer: number, head: number, input: number) => `${layer}.${head}.${input}`;

/** "3", or "0, step 8" where inputs have steps. */
const originName = (origin: Origin): string => (origin.step === null ? `${origin.input}` : `${origin.input}, step ${origin.step.number}`);

/** A source of a report and a payload; either may be missing. */
export function pageSource(report: Report, payload: Payload | null): Source {
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
    inputs: (payload?.inputs ?? []).map((i) => ({ ...i, name: originName(i.origin), special: new Set(i.special) })),
    heads,
    columns,
    metrics: metrics(report, heads),
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
  const report = json<Report>("report");
  return report ? pageSource(report, json<Payload>("maps")) : null;
}
