// What several components need of the browser.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** The width that an element has for its contents, CSS pixels; 0 until it is known. */
export function useWidth<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width] as const;
}

/** A number that changes when the colours of the page do: canvases are drawn again. */
export function useTheme(): number {
  const [count, setCount] = useState(0);
  useEffect(() => {
    const change = () => setCount((n) => n + 1);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", change);
    addEventListener("attractor-theme", change);
    return () => {
      media.removeEventListener("change", change);
      removeEventListener("attractor-theme", change);
    };
  }, []);
  return count;
}

/** A colour of the style sheet. */
export const ink = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Makes a canvas of a size in CSS pixels as fine as the screen; returns its pen, in CSS pixels. */
export function pen(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context?.setTransform(w / width, 0, 0, h / height, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}
