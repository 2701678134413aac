// The script of the report's page. The page is whole without it; this adds what can be done with a mouse and keys.

import { render } from "preact";
import { CheckTable } from "./components/checks";
import { Heads } from "./components/heads";
import { ThemeToggle, restore } from "./components/theme";
import { documentSource } from "./page-source";
import "./style.css";

const HEAD = /^#(?:row-|figure-)?L(\d+)H(\d+)$/;

function start() {
  restore();
  const nav = document.querySelector("nav");
  if (nav) {
    const holder = document.createElement("span");
    holder.className = "theme-holder";
    nav.append(holder);
    render(<ThemeToggle />, holder);
  }
  const mount = document.getElementById("heads-explorer");
  const source = mount && documentSource();
  if (!mount || !source || source.heads.length === 0) return;

  let choose: ((head: { layer: number; head: number }, go: boolean) => void) | null = null;
  const named = (hash: string) => {
    const match = HEAD.exec(hash);
    return match ? { layer: Number(match[1]), head: Number(match[2]) } : null;
  };
  document.getElementById("heads-static")?.remove();
  const worth = document.querySelector<HTMLElement>("#figures figure[id^=figure-]")?.id ?? "";
  render(
    <Heads source={source} first={named(location.hash) ?? named(`#${worth}`)} bind={(f) => (choose = f)} />,
    mount,
  );
  // The page holds a few checks of single heads in words; the report inside it has them all.
  for (const details of document.querySelectorAll<HTMLDetailsElement>("details.singles")) {
    const lines = source.checks.filter((c) => String(c.group) === details.dataset.group);
    if (lines.length < Number(details.dataset.count)) continue;
    const fill = () => {
      const holder = details.querySelector<HTMLElement>(".singles-body");
      if (!details.open || !holder || holder.dataset.filled) return;
      holder.dataset.filled = "yes";
      holder.replaceChildren();
      render(<CheckTable lines={lines} />, holder);
    };
    details.addEventListener("toggle", fill);
    fill();
  }
  // The pictures below say the same; they wait until they are asked for.
  for (const stills of document.querySelectorAll<HTMLDetailsElement>("details.stills")) stills.open = false;
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll<HTMLDetailsElement>("details.stills, details.passed")) fold.open = true;
  });

  // What a link leads to is not left behind a fold.
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
    if (target?.closest("details")) target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Wherever the page names a head, a click brings its map.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
    const head = named(link?.getAttribute("href") ?? "");
    if (!head || !choose || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(head, true);
    history.replaceState(null, "", `#L${head.layer}H${head.head}`);
    document.querySelector<HTMLElement>(".explorer h3")?.focus({ preventScroll: true });
  });
}

start();
document.documentElement.dataset.ready = String(Math.round(performance.now()));
