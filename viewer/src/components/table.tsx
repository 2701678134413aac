// The head table: sorted by a click on a heading, filtered by words, kind and layer, walked with the arrow keys.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { aligned, fixed } from "../scale";
import type { HeadKind } from "../schema";
import { type Column, type HeadLine, headName } from "../source";

/** Rows that are put into the page at first. */
const MOST = 300;

/** How the table is sorted; `null`: by layer and head. */
export interface Order {
  column: string | null;
  down: boolean;
}

/** What is filtered for. */
export interface Filter {
  words: string;
  kind: HeadKind | "failed" | "";
  layer: string;
}

/** The filter that lets all through. */
export const NO_FILTER: Filter = { words: "", kind: "", layer: "" };

/** The lines that a filter lets through. */
export function filtered(heads: HeadLine[], filter: Filter): HeadLine[] {
  const words = filter.words.toLowerCase().split(/\s+/).filter(Boolean);
  return heads.filter((head) => {
    if (filter.layer !== "" && String(head.layer) !== filter.layer) return false;
    if (filter.kind === "failed" ? !head.failed : filter.kind !== "" && !head.kinds.includes(filter.kind)) return false;
    const text = [
      headName(head), `${head.layer}.${head.head}`, head.class ?? "not testable", ...head.kinds, head.failed ? "fail" : "",
    ].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The lines in an order; what is missing comes last in either direction, and ties keep the order of the heads. */
export function sorted(heads: HeadLine[], order: Order): HeadLine[] {
  const sign = order.down ? -1 : 1;
  const place = (a: HeadLine, b: HeadLine) => a.layer - b.layer || a.head - b.head;
  const { column } = order;
  if (column === null) return [...heads].sort((a, b) => sign * place(a, b));
  if (column === "kinds" || column === "class") {
    const text = (h: HeadLine) => (column === "kinds" ? h.kinds.join(", ") : `${h.failed ? "fail" : ""}${h.class ?? ""}`);
    return [...heads].sort((a, b) => {
      const [x, y] = [text(a), text(b)];
      if ((x === "") !== (y === "")) return x === "" ? 1 : -1;
      return sign * (x < y ? -1 : x > y ? 1 : 0) || place(a, b);
    });
  }
  return [...heads].sort((a, b) => {
    const [x, y] = [a.figures[column] ?? null, b.figures[column] ?? null];
    if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0) || place(a, b);
    return sign * (x - y) || place(a, b);
  });
}

interface Props {
  heads: HeadLine[];
  columns: readonly Column[];
  filter: Filter;
  onFilter: (filter: Filter) => void;
  selected: { layer: number; head: number } | null;
  /** A head was chosen; `go`: the reader wants to be at its map. */
  onSelect: (head: HeadLine, go: boolean) => void;
}

export function HeadTable({ heads, columns, filter, onFilter: setFilter, selected, onSelect }: Props) {
  const [order, setOrder] = useState<Order>({ column: null, down: false });
  const [all, setAll] = useState(false);
  const body = useRef<HTMLTableSectionElement>(null);
  const lines = useMemo(() => sorted(filtered(heads, filter), order), [heads, filter, order]);
  const shown = all ? lines : lines.slice(0, MOST);
  const isSelected = (h: HeadLine) => selected !== null && h.layer === selected.layer && h.head === selected.head;
  const reachable = Math.max(0, shown.findIndex(isSelected));

  // One number of decimals a column.
  const texts = useMemo(
    () => new Map(columns.map((c) => [c.name, c.share ? null : aligned(heads.map((h) => h.figures[c.name] ?? null))])),
    [heads, columns],
  );
  const kinds = useMemo(() => {
    const counts = new Map<HeadKind, number>();
    for (const head of heads) for (const kind of head.kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const bad = heads.filter((h) => h.failed).length;
    return [...(bad > 0 ? [["failed", bad] as const] : []), ...[...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1))];
  }, [heads]);
  const layers = useMemo(() => [...new Set(heads.map((h) => h.layer))].sort((a, b) => a - b), [heads]);

  // A head that was chosen elsewhere is brought into view, within the table only.
  useEffect(() => {
    const row = body.current?.rows[shown.findIndex(isSelected)];
    const frame = row?.closest<HTMLElement>(".table-frame");
    if (!row || !frame || frame.scrollHeight <= frame.clientHeight) return;
    const top = row.offsetTop - 40;
    if (top < frame.scrollTop) frame.scrollTop = top;
    else if (row.offsetTop + row.offsetHeight > frame.scrollTop + frame.clientHeight) {
      frame.scrollTop = row.offsetTop + row.offsetHeight - frame.clientHeight;
    }
  }, [selected?.layer, selected?.head]);

  const sort = (column: string | null, numeric: boolean) =>
    setOrder((now) => ({ column, down: now.column === column ? !now.down : numeric }));
  const heading = (column: string | null, title: string, about: string, numeric: boolean) => {
    const own = order.column === column;
    return (
      <th
        key={column ?? ""}
        scope="col"
        class={numeric ? "n" : ""}
        aria-sort={own ? (order.down ? "descending" : "ascending") : "none"}
      >
        <button type="button" title={about} onClick={() => sort(column, numeric)}>
          {title}
          <span class="arrow" aria-hidden="true">{own ? (order.down ? "↓" : "↑") : ""}</span>
        </button>
      </th>
    );
  };
  const onKey = (event: KeyboardEvent) => {
    const row = (event.target as Element).closest("tr");
    const index = row && body.current ? [...body.current.rows].indexOf(row) : -1;
    const head = shown[index];
    if (!head || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onSelect(head, true);
      return;
    }
    const to: Record<string, number> = {
      ArrowDown: index + 1, ArrowUp: index - 1, PageDown: index + 10, PageUp: index - 10, Home: 0, End: shown.length - 1,
    };
    const wanted = to[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const next = Math.min(shown.length - 1, Math.max(0, wanted));
    const target = shown[next];
    body.current?.rows[next]?.focus();
    if (target) onSelect(target, false);
  };
  return (
    <div class="head-table">
      <div class="filters" role="search" aria-label="Filter heads">
        <input
          type="search"
          placeholder="Filter: L3, induction, sharp …"
          aria-label="Filter by words"
          value={filter.words}
          onInput={(e) => setFilter({ ...filter, words: e.currentTarget.value })}
        />
        <select aria-label="Kind" value={filter.kind} onChange={(e) => setFilter({ ...filter, kind: e.currentTarget.value as Filter["kind"] })}>
          <option value="">all kinds</option>
          {kinds.map(([kind, count]) => (
            <option key={kind} value={kind}>{`${kind} (${count})`}</option>
          ))}
        </select>
        <select aria-label="Layer" value={filter.layer} onChange={(e) => setFilter({ ...filter, layer: e.currentTarget.value })}>
          <option value="">all layers</option>
          {layers.map((layer) => (
            <option key={layer} value={String(layer)}>{`layer ${layer}`}</option>
          ))}
        </select>
        <span class="count" role="status">
          {lines.length === heads.length ? `${heads.length} heads` : `${lines.length} of ${heads.length} heads`}
        </span>
      </div>
      <div class="table-frame">
        <table class="heads" id="head-table">
          <thead>
            <tr>
              {heading(null, "Head", "by layer, then head", false)}
              {heading("kinds", "Recognised as", "kinds recognised from its scores", false)}
              {columns.map((c) => heading(c.name, c.title, c.about, true))}
              {heading("class", "Class", "how sharp it is", false)}
            </tr>
          </thead>
          <tbody ref={body} onKeyDown={onKey}>
            {shown.map((head, index) => (
              <tr
                key={headName(head)}
                id={`row-${headName(head)}`}
                tabIndex={index === reachable ? 0 : -1}
                aria-selected={isSelected(head)}
                class={isSelected(head) ? "selected" : ""}
                onClick={() => onSelect(head, true)}
              >
                <th scope="row">{headName(head)}</th>
                <td class="kinds">
                  {head.failed && <span class="badge fail">✕ fail</span>} {head.kinds.join(", ")}
                </td>
                {columns.map((column) => {
                  const value = head.figures[column.name] ?? null;
                  const share = column.share && value !== null;
                  return (
                    <td
                      key={column.name}
                      class={share ? "n share" : "n"}
                      style={share ? { "--v": `${(100 * Math.min(1, Math.max(0, value))).toFixed(1)}%` } : {}}
                    >
                      {share ? fixed(value, 3) : (texts.get(column.name)?.(value) ?? "–")}
                    </td>
                  );
                })}
                <td>{head.class ?? "not testable"}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {lines.length === 0 && <p class="empty">No head matches.</p>}
        {lines.length > shown.length && (
          <p>
            <button type="button" class="plain-button" onClick={() => setAll(true)}>Show all {lines.length}</button>
          </p>
        )}
      </div>
    </div>
  );
}
