// From weights to colours, and numbers to read.

/** How weights spread over the colours. */
export type Spacing = "linear" | "log" | "quantile";

/** From weights to [0, 1]. */
export interface Scale {
  spacing: Spacing;
  low: number;
  high: number;
  /** Where a weight lies, clamped to [0, 1]; NaN for what is not a number. */
  position(weight: number): number;
  /** The weight at a position. */
  weight(position: number): number;
  /** Numbers to write beside the colours. */
  ticks: number[];
}

const clamp = (x: number) => Math.min(1, Math.max(0, x));

/** Round numbers from low to high, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10);
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i += 1) out.push(i * step);
  return out;
}

/** low at 0, high at 1. */
export function linear(low: number, high: number): Scale {
  const top = high > low ? high : low + 1;
  return {
    spacing: "linear",
    low,
    high: top,
    position: (w) => clamp((w - low) / (top - low)),
    weight: (t) => low + t * (top - low),
    ticks: ticks(low, top, 5),
  };
}

/** The same, evenly in the logarithm. */
export function log(low: number, high: number): Scale {
  const bottom = low > 0 && low < high ? low : high / 10;
  const span = Math.log(high / bottom);
  const decades: number[] = [];
  const step = Math.max(1, Math.ceil(Math.log10(high / bottom) / 5));
  for (let e = Math.floor(Math.log10(high) + 1e-9); e >= Math.log10(bottom) - 1e-9; e -= step) decades.unshift(10 ** e);
  return {
    spacing: "log",
    low: bottom,
    high,
    position: (w) => (Number.isNaN(w) ? Number.NaN : w <= bottom ? 0 : clamp(Math.log(w / bottom) / span)),
    weight: (t) => bottom * Math.exp(t * span),
    ticks: decades.length > 1 ? decades : [bottom, high],
  };
}

/** By rank among the weights: every colour is as frequent as any other. */
export function quantile(weights: Iterable<number>): Scale {
  const sorted = Float64Array.from([...weights].filter((w) => Number.isFinite(w))).sort();
  if (sorted.length < 2) return linear(0, 1);
  const last = sorted.length - 1;
  const bound = (w: number, upper: boolean) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const value = sorted[middle] as number;
      if (upper ? value <= w : value < w) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    spacing: "quantile",
    low: sorted[0] as number,
    high: sorted[last] as number,
    // Equal weights share the middle of their ranks.
    position: (w) => (Number.isNaN(w) ? Number.NaN : clamp((bound(w, false) + bound(w, true) - 1) / 2 / last)),
    weight: (t) => sorted[Math.round(clamp(t) * last)] as number,
    ticks: [],
  };
}

const SUPERSCRIPTS: Record<string, string> = {
  "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹",
};

/** A number in as few characters as tell it: "0.25", "10⁻³", "1 200" without the space. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text: string;
  if (size >= 1e-3 && size < 1e6) {
    const decimals = Math.min(6, Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
    text = value.toFixed(decimals);
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  } else {
    const [mantissa, exponent] = value.toExponential(Math.max(0, digits - 2)).split("e") as [string, string];
    const power = [...String(Number(exponent))].map((c) => SUPERSCRIPTS[c]).join("");
    const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    text = short === "1" ? `10${power}` : short === "-1" ? `-10${power}` : `${short}·10${power}`;
  }
  return text.replace("-", "−");
}

/** A number of so many decimals, so that numbers under each other line up; never "-0.000". */
export function fixed(value: number, decimals: number): string {
  const text = value.toFixed(decimals);
  return (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−");
}

/** Writes the numbers of a column with as many decimals each, so that they line up. */
export function aligned(values: (number | null)[]): (value: number | null) => string {
  const largest = Math.max(0, ...values.filter((v): v is number => v !== null && Number.isFinite(v)).map(Math.abs));
  if (!(largest >= 1e-2 && largest < 1e6)) return (value) => number(value);
  const decimals = Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(largest))));
  return (value) => (value === null || !Number.isFinite(value) ? number(value) : fixed(value, decimals));
}

/** A weight to read: fixed digits, so that numbers under each other line up. */
export function weightText(weight: number, decimals = 4): string {
  if (!Number.isFinite(weight)) return "NaN";
  return weight !== 0 && Math.abs(weight) < 0.5 * 10 ** -decimals ? number(weight, 2) : weight.toFixed(decimals);
}
