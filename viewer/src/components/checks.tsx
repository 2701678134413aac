// The checks of single layers and heads of one group: one check at a time, sorted by a click on a heading.

import { useMemo, useState } from "preact/hooks";
import { aligned, number } from "../scale";
import type { CheckId } from "../schema";
import type { CheckLine } from "../source";

/** Rows that are put into the page at first. */
const MOST = 200;
const SIGNS: Record<CheckLine["verdict"], string> = { pass: "✓", warn: "▲", fail: "✕", reported: "·", skipped: "○" };
const RANK: Record<CheckLine["verdict"], number> = { fail: 0, warn: 1, pass: 2, reported: 3, skipped: 4 };

type By = "verdict" | "where" | "value" | "null" | "effect";

/** The lines in an order; what is missing comes last in either direction. */
export function ordered(lines: CheckLine[], by: By, down: boolean): CheckLine[] {
  const sign = down ? -1 : 1;
  const place = (a: CheckLine, b: CheckLine) => (a.layer ?? -1) - (b.layer ?? -1) || (a.head ?? -1) - (b.head ?? -1);
  return [...lines].sort((a, b) => {
    if (by === "where") return sign * place(a, b);
    if (by === "verdict") return sign * (RANK[a.verdict] - RANK[b.verdict]) || place(a, b);
    const [x, y] = [a[by], b[by]];
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || place(a, b);
    return sign * (x - y) || place(a, b);
  });
}

export const where = (line: { layer: number | null; head: number | null }): string =>
  `${line.layer === null ? "" : `L${line.layer}`}${line.head === null ? "" : `H${line.head}`}`;

export function CheckTable({ lines }: { lines: CheckLine[] }) {
  const ids = useMemo(() => {
    const counts = new Map<CheckId, { all: number; failed: number }>();
    for (const line of lines) {
      const own = counts.get(line.id) ?? { all: 0, failed: 0 };
      own.all += 1;
      if (line.verdict === "fail") own.failed += 1;
      counts.set(line.id, own);
    }
    return [...counts];
  }, [lines]);
  const worst = ids.find(([, count]) => count.failed > 0) ?? ids[0];
  const [id, setId] = useState<CheckId | null>(worst?.[0] ?? null);
  const [order, setOrder] = useState<{ by: By; down: boolean }>({ by: "verdict", down: false });
  const [all, setAll] = useState(false);
  const own = useMemo(() => ordered(lines.filter((l) => l.id === id), order.by, order.down), [lines, id, order]);
  const shown = all ? own : own.slice(0, MOST);
  const first = own[0];
  const [value, none, effect] = useMemo(
    () => [
      aligned(own.flatMap((l) => [l.value, l.low, l.high])),
      aligned(own.map((l) => l.null)),
      aligned(own.map((l) => l.effect)),
    ],
    [own],
  );
  const heading = (by: By, title: string) => {
    const mine = order.by === by;
    return (
      <th scope="col" class={by === "verdict" || by === "where" ? "" : "n"} aria-sort={mine ? (order.down ? "descending" : "ascending") : "none"}>
        <button type="button" onClick={() => setOrder({ by, down: mine ? !order.down : !(by === "verdict" || by === "where") })}>
          {title}
          <span class="arrow" aria-hidden="true">{mine ? (order.down ? "↓" : "↑") : ""}</span>
        </button>
      </th>
    );
  };
  return (
    <div class="check-table">
      <div class="segments" role="group" aria-label="Check">
        {ids.map(([name, count]) => (
          <button type="button" key={name} aria-pressed={name === id} onClick={() => setId(name)}>
            <code>{name}</code> {count.failed > 0 ? <span class="badge fail">✕ {count.failed}</span> : count.all}
          </button>
        ))}
      </div>
      <p class="key">
        {first && first.threshold !== null ? `Threshold ${number(first.threshold)}: ` : ""}
        {first?.source ?? ""}
      </p>
      <div class="table-frame">
        <table>
          <thead>
            <tr>
              {heading("verdict", "Verdict")}
              {heading("where", "Where")}
              {heading("value", "Value")}
              <th scope="col" class="n">Interval</th>
              {heading("null", "Null")}
              {heading("effect", "Effect")}
              <th scope="col">In words</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((line) => (
              <tr key={where(line)}>
                <td><span class={`badge ${line.verdict}`}>{SIGNS[line.verdict]} {line.verdict}</span></td>
                <th scope="row">{line.head === null ? where(line) : <a href={`#${where(line)}`}>{where(line)}</a>}</th>
                <td class="n">{value(line.value)}</td>
                <td class="n">{line.low === null ? "–" : `${value(line.low)} … ${value(line.high)}`}</td>
                <td class="n">{none(line.null)}</td>
                <td class="n">{effect(line.effect)}</td>
                <td class="words">{line.why}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {own.length > shown.length && (
          <p><button type="button" class="plain-button" onClick={() => setAll(true)}>Show all {own.length}</button></p>
        )}
      </div>
    </div>
  );
}
