// All heads at once, layers down and heads across: a figure as colour, or every map as a small picture.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { fixed, log, number, linear, type Scale } from "../scale";
import { type HeadMap, type Metric, type Palette, type Source, headName } from "../source";
import { type Look, pool, see } from "../view";
import { ink, pen, useTheme, useWidth } from "./hooks";
import { colour, isLight, picture } from "./paint";

interface Props {
  source: Source;
  /** Null: the maps themselves. */
  metric: Metric | null;
  look: Look;
  input: number;
  selected: { layer: number; head: number } | null;
  /** Heads that stand back, by name. */
  dimmed: ReadonlySet<string>;
  onSelect: (head: { layer: number; head: number }, go: boolean) => void;
}

/** The scale of a figure: shares from 0 to 1, others from their least to their largest. */
export function scaleOf(metric: Metric): Scale {
  const values = metric.points.map((p) => p.value).filter((v): v is number => v !== null);
  const [low, high] = [Math.min(...values, Infinity), Math.max(...values, -Infinity)];
  if (metric.share && low >= 0 && high <= 1) return linear(0, 1);
  if (low > 0 && high / low > 50) return log(low, high);
  return linear(Math.min(low, 0), high);
}

export function Overview({ source, metric, look, input, selected, dimmed, onSelect }: Props) {
  const [box, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [cursor, setCursor] = useState<{ row: number; column: number } | null>(null);
  const { layers, headNumbers } = source;
  const palette = source.palettes[look.palette] ?? source.palettes[0] ?? GREY;
  const thumbs = useThumbs(source, metric === null, look, palette, input);
  const scale = useMemo(() => (metric ? scaleOf(metric) : null), [metric]);
  const values = useMemo(
    () => new Map((metric?.points ?? []).map((p) => [headName(p), p.value] as const)),
    [metric],
  );
  const geometry = useMemo(() => {
    if (width < 40 || layers.length === 0) return null;
    const left = 12 + 6.5 * String(layers[layers.length - 1]).length;
    const across = Math.floor((width - left) / headNumbers.length);
    const most = metric === null ? 112 : 54;
    const step = Math.max(metric === null ? 14 : 8, Math.min(most, across));
    const down = metric === null ? step : Math.min(step, 28);
    return { left, top: 18, step, down, width: left + step * headNumbers.length + 1, height: 18 + down * layers.length + 1 };
  }, [width, layers, headNumbers, metric]);

  useEffect(() => {
    const element = canvas.current;
    const context = element && geometry && pen(element, geometry.width, geometry.height);
    if (!context || !geometry) return;
    const { left, top, step, down } = geometry;
    context.fillStyle = ink("--muted");
    context.textBaseline = "middle";
    context.font = "11px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "right";
    const every = Math.max(1, Math.ceil(13 / down));
    layers.forEach((layer, row) => row % every === 0 && context.fillText(String(layer), left - 6, top + (row + 0.5) * down));
    context.textAlign = "center";
    const sparse = Math.max(1, Math.ceil((7 * String(headNumbers.at(-1)).length + 6) / step));
    headNumbers.forEach((head, column) => {
      if (column % sparse === 0) context.fillText(String(head), left + (column + 0.5) * step, 9);
    });
    const written = metric !== null && step >= 30 && down >= 15;
    const gap = metric === null ? Math.max(1, Math.min(6, step / 16)) : 0.5;
    layers.forEach((layer, row) =>
      headNumbers.forEach((head, column) => {
        const [x, y] = [left + column * step, top + row * down];
        const name = headName({ layer, head });
        context.fillStyle = ink("--masked");
        context.globalAlpha = dimmed.has(name) ? 0.18 : 1;
        if (metric === null) {
          const thumb = thumbs.get(name);
          context.fillRect(x, y, step - gap, down - gap);
          if (thumb) {
            context.imageSmoothingEnabled = thumb.width > step;
            context.drawImage(thumb, x, y, step - gap, down - gap);
          }
        } else if (values.has(name)) {
          const value = values.get(name) ?? null;
          const t = value === null || !scale ? null : scale.position(value);
          if (t !== null) context.fillStyle = colour(palette, t);
          context.fillRect(x, y, step - gap, down - gap);
          if (written) {
            context.fillStyle = t === null ? ink("--muted") : isLight(palette, t) ? "#000" : "#fff";
            context.fillText(value !== null && metric?.share ? fixed(value, 2) : number(value, 2), x + step / 2, y + down / 2);
          }
        }
        context.globalAlpha = 1;
        const isSelected = selected?.layer === layer && selected.head === head;
        const isCursor = cursor?.row === row && cursor.column === column;
        if (isSelected || isCursor) {
          context.strokeStyle = ink(isSelected ? "--accent" : "--ink");
          context.lineWidth = isSelected ? 3 : 1.5;
          context.strokeRect(x + 0.5, y + 0.5, step - gap - 1, down - gap - 1);
        }
      }),
    );
  }, [geometry, thumbs, metric, scale, values, palette, selected?.layer, selected?.head, dimmed, cursor, theme]);

  const at = (event: MouseEvent) => {
    if (!geometry || !canvas.current) return null;
    const bounds = canvas.current.getBoundingClientRect();
    const column = Math.floor((event.clientX - bounds.left - geometry.left) / geometry.step);
    const row = Math.floor((event.clientY - bounds.top - geometry.top) / geometry.down);
    return row >= 0 && row < layers.length && column >= 0 && column < headNumbers.length ? { row, column } : null;
  };
  const choose = (cell: { row: number; column: number } | null, go: boolean) => {
    const [layer, head] = [cell && layers[cell.row], cell && headNumbers[cell.column]];
    if (layer !== undefined && layer !== null && head !== undefined && head !== null) onSelect({ layer, head }, go);
  };
  const onKey = (event: KeyboardEvent) => {
    const own = {
      row: Math.max(0, layers.indexOf(selected?.layer ?? -1)),
      column: Math.max(0, headNumbers.indexOf(selected?.head ?? -1)),
    };
    const from = cursor ?? own;
    const moves: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const move = moves[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(from, true);
    } else if (move && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      const within = (x: number, n: number) => Math.min(n - 1, Math.max(0, x));
      setCursor({ row: within(from.row + move[0], layers.length), column: within(from.column + move[1], headNumbers.length) });
    }
  };
  const shown = cursor ?? null;
  const name = shown ? headName({ layer: layers[shown.row] as number, head: headNumbers[shown.column] as number }) : null;
  const line = name ? source.heads.find((h) => headName(h) === name) : undefined;
  return (
    <div class="overview" ref={box}>
      <div class="overview-scroll">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          data-dimmed={[...dimmed].join(" ")}
          aria-roledescription="map of heads"
          aria-label={`${metric?.title ?? "Maps"}: ${layers.length} layers (rows) by ${headNumbers.length} heads (columns). Arrow keys move, Enter opens a head.`}
          onMouseMove={(event) => setCursor(at(event))}
          onMouseLeave={() => setCursor(null)}
          onBlur={() => setCursor(null)}
          onClick={(event) => choose(at(event), true)}
          onKeyDown={onKey}
        />
      </div>
      <p class="readout" role="status">
        {name ? (
          <>
            <b>{name}</b> {metric ? `${metric.title} ${number(values.get(name) ?? null)}` : ""}{" "}
            <span class="facts">{line ? [line.class ?? "not testable", ...line.kinds].join(" · ") : "not judged"}</span>
          </>
        ) : (
          <span class="facts">Layers down, heads across. A click or Enter opens a head.</span>
        )}
      </p>
    </div>
  );
}

/** Small pictures of every map, made while nothing else is to do. */
function useThumbs(source: Source, wanted: boolean, look: Look, palette: Palette, input: number) {
  const [thumbs, setThumbs] = useState<Map<string, HTMLCanvasElement>>(new Map());
  useEffect(() => {
    if (!wanted) return;
    let stale = false;
    const made = new Map<string, HTMLCanvasElement>();
    const draw = (map: HeadMap) => {
      const seen = see(map, look);
      const small = pool(seen.weights, seen.blank, map.rows, map.columns, 96);
      made.set(headName(map), picture(small, seen.scale, palette));
    };
    const run = async () => {
      let shown = performance.now();
      for (const layer of source.layers) {
        for (const head of source.headNumbers) {
          if (!source.has({ layer, head, input })) continue;
          const map = await source.map({ layer, head, input });
          if (stale) return;
          if (typeof map === "object") draw(map);
          if (performance.now() - shown > 60) {
            setThumbs(new Map(made));
            // Lets the page answer between two rows.
            await new Promise((resolve) => setTimeout(resolve));
            shown = performance.now();
          }
        }
      }
      if (!stale) setThumbs(new Map(made));
    };
    run().catch(() => undefined);
    return () => {
      stale = true;
    };
  }, [source, wanted, look, palette, input]);
  return thumbs;
}

const GREY: Palette = { name: "Grey", colours: Uint8Array.from({ length: 768 }, (_, i) => 40 + Math.floor(i / 3) * 0.8) };
