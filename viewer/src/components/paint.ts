// Cells to pixels.

import type { Scale } from "../scale";
import type { Palette } from "../source";

/** What is not a number; no palette holds a colour like it. */
const NAN = [255, 0, 200] as const;

/** An off-screen picture of one pixel a cell; blank cells are left transparent. */
export function picture(
  cells: { weights: ArrayLike<number>; blank: ArrayLike<number>; rows: number; columns: number },
  scale: Scale,
  palette: Palette,
): HTMLCanvasElement {
  const { weights, blank, rows, columns } = cells;
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(columns, rows);
  const data = image.data;
  for (let cell = 0; cell < rows * columns; cell += 1) {
    if (blank[cell]) continue;
    const t = scale.position(weights[cell] as number);
    const at = Number.isNaN(t) ? -1 : 3 * Math.round(255 * t);
    for (let c = 0; c < 3; c += 1) data[4 * cell + c] = at < 0 ? (NAN[c] as number) : (palette.colours[at + c] as number);
    data[4 * cell + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The colour at a position of a scale. */
export function colour(palette: Palette, t: number): string {
  if (Number.isNaN(t)) return `rgb(${NAN.join(",")})`;
  const at = 3 * Math.round(255 * t);
  return `rgb(${palette.colours[at]},${palette.colours[at + 1]},${palette.colours[at + 2]})`;
}

/** True if black reads better than white on that colour (WCAG relative luminance). */
export function isLight(palette: Palette, t: number): boolean {
  if (Number.isNaN(t)) return false;
  const at = 3 * Math.round(255 * t);
  const linear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = [0, 1, 2].map((c) => linear((palette.colours[at + c] as number) / 255)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.1791;
}
