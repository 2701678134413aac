// The text itself: where one query looks, or who looks at one key.

import { useMemo } from "preact/hooks";
import { type Seen, cellOf, span } from "../view";
import type { Input } from "../source";
import type { Cell } from "./heatmap";
import { Token } from "./token";

/** Tokens that are written out at a time. */
const MOST = 384;

interface Props {
  seen: Seen;
  input: Input;
  cell: Cell | null;
  /** True: from the key's side. */
  incoming: boolean;
  onCell: (cell: Cell, pinned: boolean) => void;
}

export function TokenText({ seen, input, cell, incoming, onCell }: Props) {
  const { map } = seen;
  const [cells, positions] = incoming ? [map.rows, map.queries] : [map.columns, map.keys];
  const [ownCells, ownPositions] = incoming ? [map.columns, map.keys] : [map.rows, map.queries];
  const own = cell ? (incoming ? cell.column : cell.row) : null;
  const [from, to] = own === null ? [0, 0] : span(own, ownCells, ownPositions);
  // Of a long text the part around the chosen position.
  const start = useMemo(() => {
    if (positions <= MOST) return 0;
    return Math.max(0, Math.min(positions - MOST, from - (incoming ? MOST / 4 : (3 * MOST) / 4)));
  }, [positions, from, incoming]);
  const shown = [];
  for (let position = start; position < Math.min(positions, start + MOST); position += 1) {
    const other = cellOf(position, cells, positions);
    const at = own === null ? -1 : incoming ? other * map.columns + own : own * map.columns + other;
    const t = at < 0 || seen.blank[at] ? 0 : seen.scale.position(seen.weights[at] as number);
    const chosen = own !== null && position >= from && position < to;
    shown.push(
      <span
        key={position}
        class={chosen ? "chosen" : ""}
        data-position={position}
        style={{ "--t": Number.isNaN(t) ? 0 : Math.round(100 * t) / 100 }}
      >
        <Token text={input.texts[position] ?? ""} limit={24} />
      </span>,
      " ",
    );
  }
  const choose = (event: MouseEvent) => {
    const target = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-position]") : null;
    if (!target) return;
    const position = Number(target.dataset.position);
    const mine = cellOf(Math.min(position, ownPositions - 1), ownCells, ownPositions);
    const side = cellOf(Math.min(position, positions - 1), cells, positions);
    onCell(incoming ? { row: cell?.row ?? side, column: mine } : { row: mine, column: cell?.column ?? side }, true);
  };
  return (
    <div class="token-text">
      <p onClick={choose}>
        {start > 0 && <span class="at">… {start} before </span>}
        {shown}
        {start + MOST < positions && <span class="at"> {positions - start - MOST} more …</span>}
      </p>
    </div>
  );
}
