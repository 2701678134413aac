// The colours of a scale and what they mean.

import { useEffect, useRef } from "preact/hooks";
import { number } from "../scale";
import type { Seen } from "../view";
import type { Palette } from "../source";
import { colour } from "./paint";

const WIDTH = 256;

export function ColourBar({ seen, palette, unit }: { seen: Seen; palette: Palette; unit: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { scale } = seen;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    for (let i = 0; i < WIDTH; i += 1) {
      context.fillStyle = colour(palette, i / (WIDTH - 1));
      context.fillRect(i, 0, 1, 1);
    }
  }, [palette]);
  const places = scale.spacing === "quantile" ? [0, 0.25, 0.5, 0.75, 1] : scale.ticks.map((tick) => scale.position(tick));
  const masked = seen.blank.some((b) => b === 1);
  const nan = seen.weights.some((w, i) => Number.isNaN(w) && !seen.blank[i]);
  return (
    <div class="colour-bar">
      <div class="ramp">
        <canvas ref={canvas} width={WIDTH} height={1} aria-hidden="true" />
        <div class="ticks">
          {places.map((place) => (
            <span key={place} style={{ left: `${100 * place}%` }}>
              {number(scale.weight(place), 2)}
            </span>
          ))}
        </div>
      </div>
      <p class="unit">
        {unit}
        {masked && <span class="swatch masked">masked</span>}
        {nan && <span class="swatch nan">NaN</span>}
      </p>
    </div>
  );
}
