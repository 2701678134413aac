// A figure of every head over the layers: a dot a head with its interval, a line through the layers' means.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../scale";
import { type Metric, type Point, headName } from "../source";
import { ink, useTheme, useWidth } from "./hooks";

interface Props {
  metric: Metric;
  layers: number[];
  selected: { layer: number; head: number } | null;
  onSelect: (head: { layer: number; head: number }, go: boolean) => void;
}

/** Dots of a layer side by side, in the order of the heads, within a third of a layer to either side. */
export function places(points: Point[], layers: number[]): { x: number; point: Point }[] {
  const out: { x: number; point: Point }[] = [];
  layers.forEach((layer, row) => {
    const own = points.filter((p) => p.layer === layer && p.value !== null).sort((a, b) => a.head - b.head);
    own.forEach((point, i) => out.push({ x: row + (own.length > 1 ? (i / (own.length - 1) - 0.5) * 0.62 : 0), point }));
  });
  return out;
}

/** Mean of each layer; null where it has no figure. */
export function means(points: Point[], layers: number[]): (number | null)[] {
  return layers.map((layer) => {
    const own = points.filter((p) => p.layer === layer && p.value !== null);
    return own.length > 0 ? own.reduce((sum, p) => sum + (p.value as number), 0) / own.length : null;
  });
}

export function Chart({ metric, layers, selected, onSelect }: Props) {
  const [box, width] = useWidth<HTMLDivElement>();
  const holder = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLParagraphElement>(null);
  const chosen = useRef(selected);
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  chosen.current = selected;
  useEffect(() => plot.current?.redraw(), [selected?.layer, selected?.head]);

  useEffect(() => {
    const element = holder.current;
    if (!element || width < 120) return;
    const dots = places(metric.points, layers);
    const middle = means(metric.points, layers);
    const [muted, line, accent, text] = [ink("--muted"), ink("--line"), ink("--accent"), ink("--ink")];
    const all = dots.flatMap(({ point: p }) => [p.value, p.low, p.high]).concat([metric.null, metric.threshold]);
    const known = all.filter((v): v is number => v !== null && Number.isFinite(v));
    let [low, high] = [Math.min(...known), Math.max(...known)];
    if (metric.share && low >= 0 && high <= 1) [low, high] = [0, 1];
    const margin = high > low ? 0.04 * (high - low) : 1;
    const nearest = { dot: null as { x: number; point: Point } | null };

    const level = (u: uPlot, value: number | null, dash: number[], name: string) => {
      if (value === null) return;
      const { ctx, bbox } = u;
      const y = u.valToPos(value, "y", true);
      if (y < bbox.top - 1 || y > bbox.top + bbox.height + 1) return;
      ctx.strokeStyle = muted;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.fillStyle = muted;
      ctx.textAlign = "right";
      ctx.textBaseline = "bottom";
      ctx.font = `${11 * devicePixelRatio}px ui-sans-serif, system-ui, sans-serif`;
      ctx.fillText(name, bbox.left + bbox.width - 4 * devicePixelRatio, y - 2 * devicePixelRatio);
    };
    const draw = (u: uPlot) => {
      const { ctx } = u;
      ctx.save();
      level(u, metric.null, [2, 3], "null");
      level(u, metric.threshold, [6, 4], "threshold");
      // Means of the layers.
      ctx.strokeStyle = line;
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.beginPath();
      let open = false;
      middle.forEach((value, row) => {
        if (value === null) {
          open = false;
          return;
        }
        const [x, y] = [u.valToPos(row, "x", true), u.valToPos(value, "y", true)];
        if (open) ctx.lineTo(x, y);
        else ctx.moveTo(x, y);
        open = true;
      });
      ctx.stroke();
      for (const { x: at, point } of dots) {
        const [x, y] = [u.valToPos(at, "x", true), u.valToPos(point.value as number, "y", true)];
        const own = chosen.current?.layer === point.layer && chosen.current.head === point.head;
        if (point.low !== null && point.high !== null) {
          ctx.strokeStyle = own ? text : muted;
          ctx.lineWidth = (own ? 2 : 1) * devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(x, u.valToPos(point.low, "y", true));
          ctx.lineTo(x, u.valToPos(point.high, "y", true));
          ctx.stroke();
        }
        ctx.fillStyle = own ? text : accent;
        ctx.beginPath();
        ctx.arc(x, y, (own ? 5 : dots.length > 400 ? 2 : 3) * devicePixelRatio, 0, 2 * Math.PI);
        ctx.fill();
      }
      ctx.restore();
    };
    const find = (u: uPlot) => {
      const { left, top } = u.cursor;
      nearest.dot = null;
      let best = 24 ** 2;
      if (left !== undefined && top !== undefined && left >= 0) {
        for (const dot of dots) {
          const d = (u.valToPos(dot.x, "x") - left) ** 2 + (u.valToPos(dot.point.value as number, "y") - top) ** 2;
          if (d < best) [best, nearest.dot] = [d, dot];
        }
      }
      if (!readout.current) return;
      const p = nearest.dot?.point;
      readout.current.textContent = p
        ? `${headName(p)}: ${number(p.value)}${p.low !== null ? ` [${number(p.low)}, ${number(p.high)}]` : ""}`
        : "Each dot is a head, the line the mean of a layer.";
    };
    const font = "11px ui-sans-serif, system-ui, sans-serif";
    const every = Math.max(1, Math.ceil((layers.length * 26) / width));
    const u = new uPlot(
      {
        width,
        height: 260,
        legend: { show: false },
        cursor: { x: false, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
        scales: {
          x: { time: false, range: [-0.55, layers.length - 0.45] },
          y: { range: [low - (low === 0 ? 0 : margin), high + margin] },
        },
        axes: [
          {
            stroke: muted, font, label: "layer", labelFont: font, labelSize: 18, size: 24, gap: 2,
            grid: { show: false }, ticks: { show: false },
            splits: () => layers.map((_, row) => row).filter((row) => row % every === 0),
            values: (_, rows) => rows.map((row) => String(layers[row] ?? "")),
          },
          {
            stroke: muted, font, size: 46, gap: 4,
            grid: { stroke: line, width: 1 }, ticks: { show: false },
            values: (_, splits) => splits.map((v) => number(v)),
          },
        ],
        series: [{}, { show: true, paths: () => null, points: { show: false } }],
        hooks: { draw: [draw], setCursor: [find] },
      },
      [dots.map((d) => d.x), dots.map((d) => d.point.value)],
      element,
    );
    const click = () => nearest.dot && onSelect(nearest.dot.point, true);
    u.over.addEventListener("click", click);
    plot.current = u;
    return () => {
      plot.current = null;
      u.destroy();
    };
  }, [metric, layers, width, theme]);
  const own = metric.points.find((p) => selected && p.layer === selected.layer && p.head === selected.head);
  return (
    <div class="chart" ref={box}>
      <div ref={holder} role="img" aria-label={`${metric.title} of every head by layer; the same numbers are in the table`} />
      <p class="readout" ref={readout}>Each dot is a head, the line the mean of a layer.</p>
      <p class="key">
        {metric.interval ? `Bars: ${metric.interval}, over inputs. ` : "No intervals: the report has none for this figure. "}
        {own ? `${headName(own)}: ${number(own.value)}${own.low !== null ? ` [${number(own.low)}, ${number(own.high)}]` : ""}.` : ""}
      </p>
    </div>
  );
}
