// A head's map: cells on a canvas, a cursor for mouse, finger and arrow keys, tokens or positions along the sides.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { label } from "../text";
import { ticks } from "../scale";
import { type Seen, span } from "../view";
import type { Input, Palette } from "../source";
import { ink, pen, useTheme, useWidth } from "./hooks";
import { picture } from "./paint";

/** Most tokens that are written out along a side. */
const MOST_LABELS = 40;
/** Largest extent of the cells, CSS pixels. */
const EXTENT = 520;
/** Longest label, characters. */
const LABEL = 12;

/** A cell. */
export interface Cell {
  row: number;
  column: number;
}

interface Props {
  seen: Seen;
  input: Input | undefined;
  palette: Palette;
  name: string;
  /** The cell under the cursor. */
  cell: Cell | null;
  /** The cursor moved; `pinned` where it should stay (click, keys). */
  onCell: (cell: Cell | null, pinned: boolean) => void;
}

export function Heatmap({ seen, input, palette, name, cell, onCell }: Props) {
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const { map } = seen;
  const { rows, columns } = map;
  const texts = input?.texts ?? [];
  const image = useMemo(() => picture({ ...seen, rows, columns }, seen.scale, palette), [seen, palette]);
  const geometry = useMemo(() => layout(width, map, texts), [width, map, texts]);

  useEffect(() => {
    const element = canvas.current;
    if (!element || !geometry) return;
    const context = pen(element, geometry.width, geometry.height);
    if (!context) return;
    const { left, top, step } = geometry;
    const [w, h] = [columns * step, rows * step];
    context.fillStyle = ink("--masked");
    context.fillRect(left, top, w, h);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, left, top, w, h);
    context.strokeStyle = ink("--muted");
    context.lineWidth = 1;
    context.strokeRect(left - 0.5, top - 0.5, w + 1, h + 1);
    context.fillStyle = ink("--ink");
    drawSide(context, geometry, texts, map.queries, rows, false);
    drawSide(context, geometry, texts, map.keys, columns, true);
    drawTitles(context, geometry, w, h);
    const end = input?.prompt ?? null;
    if (end !== null && end > 0 && end < map.keys) {
      // Where the prompt ends; queries may be the last of the keys only.
      const before = map.keys - map.queries;
      const x = left + (end / map.keys) * w;
      const y = top + (Math.max(0, end - before) / Math.max(1, map.queries)) * h;
      context.setLineDash([4, 3]);
      for (const [width, colour] of [[3, "rgba(0,0,0,.45)"], [1, "rgba(255,255,255,.85)"]] as const) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.beginPath();
        context.moveTo(x, top);
        context.lineTo(x, top + h);
        if (end > before) {
          context.moveTo(left, y);
          context.lineTo(left + w, y);
        }
        context.stroke();
      }
      context.setLineDash([]);
    }
    if (cell) {
      const [x, y] = [left + cell.column * step, top + cell.row * step];
      // Light on dark and dark on light, whatever lies below.
      context.strokeStyle = "rgba(0,0,0,.55)";
      context.lineWidth = 3;
      for (const pass of [0, 1]) {
        if (pass) {
          context.strokeStyle = "rgba(255,255,255,.9)";
          context.lineWidth = 1;
        }
        context.beginPath();
        context.rect(x - 1.5, y - 1.5, step + 3, step + 3);
        context.moveTo(left, y + step / 2);
        context.lineTo(Math.max(left, x - 3), y + step / 2);
        context.moveTo(x + step / 2, Math.min(top + h, y + step + 3));
        context.lineTo(x + step / 2, top + h);
        context.stroke();
      }
    }
  }, [geometry, image, cell, theme, input]);

  const at = (event: MouseEvent): Cell | null => {
    if (!geometry || !canvas.current) return null;
    const bounds = canvas.current.getBoundingClientRect();
    const column = Math.floor((event.clientX - bounds.left - geometry.left) / geometry.step);
    const row = Math.floor((event.clientY - bounds.top - geometry.top) / geometry.step);
    return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
  };
  const onKey = (event: KeyboardEvent) => {
    const from = cell ?? { row: 0, column: 0 };
    const far = event.shiftKey ? 8 : 1;
    const moves: Record<string, Cell> = {
      ArrowLeft: { row: from.row, column: from.column - far },
      ArrowRight: { row: from.row, column: from.column + far },
      ArrowUp: { row: from.row - far, column: from.column },
      ArrowDown: { row: from.row + far, column: from.column },
      Home: { row: from.row, column: 0 },
      End: { row: from.row, column: columns - 1 },
      PageUp: { row: from.row - 16, column: from.column },
      PageDown: { row: from.row + 16, column: from.column },
    };
    const to = moves[event.key];
    if (event.key === "Escape") return onCell(null, true);
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const within = (x: number, n: number) => Math.min(n - 1, Math.max(0, x));
    onCell(cell ? { row: within(to.row, rows), column: within(to.column, columns) } : from, true);
  };
  return (
    <div class="heatmap" ref={box}>
      <canvas
        ref={canvas}
        tabIndex={0}
        data-cells={geometry ? `${geometry.left} ${geometry.top} ${geometry.step}` : ""}
        role="application"
        aria-roledescription="attention map"
        aria-label={`${name}: ${map.queries} queries (rows) by ${map.keys} keys (columns). Arrow keys move, Shift moves by eight, Home and End go to the sides.`}
        onMouseMove={(event) => onCell(at(event), false)}
        onMouseLeave={() => onCell(null, false)}
        onClick={(event) => onCell(at(event), true)}
        onKeyDown={onKey}
      />
    </div>
  );
}

interface Geometry {
  left: number;
  top: number;
  step: number;
  width: number;
  height: number;
  rows: number;
  /** Font size of tokens along a side, or 0 where positions are written. */
  rowFont: number;
  columnFont: number;
}

const FONT = "ui-sans-serif, system-ui, sans-serif";
/** Room for the title of an axis, CSS pixels. */
const TITLE = 16;

function layout(width: number, map: Seen["map"], texts: string[]): Geometry | null {
  if (width < 40) return null;
  const fits = (positions: number, cells: number) => positions === cells && cells <= MOST_LABELS && texts.length >= cells;
  const [byRow, byColumn] = [fits(map.queries, map.rows), fits(map.keys, map.columns)];
  const context = document.createElement("canvas").getContext("2d");
  const widest = (font: number) => {
    if (!context) return 60;
    context.font = `${font}px ${FONT}`;
    return Math.max(...texts.slice(0, MOST_LABELS).map((text) => context.measureText(label(text, LABEL)).width), 10);
  };
  const room = (step: number, labelled: boolean) => {
    const font = labelled && step >= 7 ? Math.min(12, Math.max(8, step * 0.9)) : 0;
    return { font, extent: font > 0 ? widest(font) + 10 : 14 + 6.4 * String(map.queries).length };
  };
  let step = 0;
  let [rows, columns] = [room(0, false), room(0, false)];
  // Two rounds: labels need room, and room decides whether there are labels.
  for (let round = 0; round < 2; round += 1) {
    const free = Math.min(EXTENT, width - rows.extent - TITLE - 2);
    step = Math.min(26, free / Math.max(map.columns, map.rows * 0.75));
    // Whole pixels of the screen keep cells of one size.
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    step = step * ratio >= 1 ? Math.floor(step * ratio) / ratio : step;
    rows = room(step, byRow);
    columns = room(step, byColumn);
  }
  const below = (columns.font > 0 ? columns.extent : 20) + TITLE;
  const [left, top] = [Math.round(rows.extent) + TITLE, 7];
  return {
    left,
    top,
    step,
    rows: map.rows,
    width: Math.ceil(left + map.columns * step + 10),
    height: Math.ceil(top + map.rows * step + below + 2),
    rowFont: rows.font,
    columnFont: columns.font,
  };
}

/** Tokens where they fit, round positions otherwise. */
function drawSide(
  context: CanvasRenderingContext2D,
  { left, top, step, rows, rowFont, columnFont }: Geometry,
  texts: string[],
  positions: number,
  cells: number,
  across: boolean,
) {
  const bottom = top + rows * step;
  const font = across ? columnFont : rowFont;
  context.direction = "ltr";
  context.textBaseline = "middle";
  if (font > 0) {
    context.font = `${font}px ${FONT}`;
    context.textAlign = "right";
    for (let cell = 0; cell < cells; cell += 1) {
      const middle = (cell + 0.5) * step;
      context.save();
      if (across) {
        context.translate(left + middle, bottom + 6);
        context.rotate(-Math.PI / 2);
      } else context.translate(left - 6, top + middle);
      context.fillText(label(texts[cell] ?? "", LABEL), 0, 0);
      context.restore();
    }
    return;
  }
  context.font = `11px ${FONT}`;
  const extent = cells * step;
  const count = Math.max(1, Math.min(8, Math.floor(extent / 56)));
  context.textAlign = across ? "center" : "right";
  for (const tick of ticks(0, positions - 1, count).filter((t) => Number.isInteger(t))) {
    const at = ((tick + 0.5) / positions) * extent;
    if (across) context.fillText(String(tick), left + at, bottom + 11);
    else context.fillText(String(tick), left - 5, top + at);
  }
}

/** What rows and columns are, outside of what stands along the sides. */
function drawTitles(context: CanvasRenderingContext2D, { left, top, height }: Geometry, w: number, h: number) {
  context.font = `12px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = ink("--muted");
  context.fillText("key (attended to)", left + w / 2, height - 8);
  context.save();
  context.translate(8, top + h / 2);
  context.rotate(-Math.PI / 2);
  context.fillText("query (attends)", 0, 0);
  context.restore();
}

/** The pairs that a cell covers. */
export function pairs(map: Seen["map"], cell: Cell) {
  const [query, queryEnd] = span(cell.row, map.rows, map.queries);
  const [key, keyEnd] = span(cell.column, map.columns, map.keys);
  return { query, queryEnd, key, keyEnd };
}
