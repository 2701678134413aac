// Light, dark, or as the system has it.

import { useState } from "preact/hooks";

const KEY = "attractor-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const SIGN = { auto: "◐", light: "☀", dark: "☾" } as const;

type Theme = keyof typeof NEXT;

/** What was chosen last; storage may be forbidden to a file. */
function remembered(): Theme {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === "light" || theme === "dark" ? theme : "auto";
  } catch {
    return "auto";
  }
}

/** Puts a theme in force. */
export function apply(theme: Theme): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Then it holds for this page only.
  }
  dispatchEvent(new Event("attractor-theme"));
}

/** Puts the remembered theme in force. */
export function restore(): void {
  const theme = remembered();
  if (theme !== "auto") apply(theme);
}

export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>(remembered);
  const change = () => {
    apply(NEXT[theme]);
    setTheme(NEXT[theme]);
  };
  return (
    <button type="button" class="theme" onClick={change} aria-label={`Colours: ${theme}; change to ${NEXT[theme]}`} title={`Colours: ${theme}`}>
      <span aria-hidden="true">{SIGN[theme]}</span> {theme}
    </button>
  );
}
