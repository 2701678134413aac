// One head: its map, what is under the cursor, its links, and the text that it reads.

import { useEffect, useMemo, useState } from "preact/hooks";
import { number, weightText, type Spacing } from "../scale";
import { type HeadMap, type Input, type Link, type Place, type Source, headName } from "../source";
import { type Look, type Seen, cellOf, isPooled, see } from "../view";
import { ColourBar } from "./bar";
import { type Cell, Heatmap, pairs } from "./heatmap";
import { Links } from "./links";
import { Span } from "./token";
import { TokenText } from "./tokens";

interface Props {
  source: Source;
  place: Place;
  look: Look;
  onLook: (look: Look) => void;
  onPlace: (place: Place) => void;
}

const SPACINGS: [Spacing, string][] = [["linear", "Linear"], ["log", "Log"], ["quantile", "Quantile"]];

export function Explorer({ source, place, look, onLook, onPlace }: Props) {
  const [map, setMap] = useState<HeadMap | string | null>(null);
  const [pinned, setPinned] = useState<Cell | null>(null);
  const [hovered, setHovered] = useState<Cell | null>(null);
  const [incoming, setIncoming] = useState(false);
  useEffect(() => {
    let stale = false;
    source.map(place).then(
      (next) => {
        if (stale) return;
        setHovered(null);
        // The same place of the next head, while it has one.
        setPinned((cell) =>
          cell && typeof next === "object" && cell.row < next.rows && cell.column < next.columns ? cell : null,
        );
        setMap(next);
      },
      (error: unknown) => stale || setMap(`This map cannot be read: ${error instanceof Error ? error.message : error}`),
    );
    return () => {
      stale = true;
    };
  }, [source, place.layer, place.head, place.input]);
  const seen = useMemo(() => (map && typeof map === "object" ? see(map, look) : null), [map, look]);
  const input = source.inputs.find((i) => i.input === place.input);
  const palette = source.palettes[look.palette] ?? source.palettes[0];
  const name = headName(place);
  const cell = hovered ?? pinned;
  const onCell = (next: Cell | null, pin: boolean) => (pin ? (setPinned(next), setHovered(null)) : setHovered(next));
  const onLink = (link: Link) => {
    if (!seen) return;
    const { rows, columns, queries, keys } = seen.map;
    onCell({ row: cellOf(link.query, rows, queries), column: cellOf(link.key, columns, keys) }, true);
  };
  const step = (by: number) => {
    const order = source.heads.length > 0 ? source.heads : [place];
    const index = order.findIndex((h) => h.layer === place.layer && h.head === place.head);
    const next = order[(index + by + order.length) % order.length];
    if (next) onPlace({ ...place, layer: next.layer, head: next.head });
  };
  return (
    <section class="explorer" aria-label={`Map of ${name}`}>
      <div class="explorer-head">
        <h3 tabIndex={-1}>{name}</h3>
        <Facts source={source} place={place} />
        <span class="stepper">
          <button type="button" aria-label="Previous head" onClick={() => step(-1)}>‹</button>
          <button type="button" aria-label="Next head" onClick={() => step(1)}>›</button>
        </span>
      </div>
      {source.inputs.length > 1 && (
        <label class="choice">
          Input{" "}
          <select value={place.input} onChange={(e) => onPlace({ ...place, input: Number(e.currentTarget.value) })}>
            {source.inputs.map((i) => (
              <option key={i.input} value={i.input}>{i.name}</option>
            ))}
          </select>
        </label>
      )}
      {typeof map === "string" && <p class="empty" role="status">{map}</p>}
      {map === null && <p class="empty">…</p>}
      {seen && palette && (
        <>
          <Controls source={source} seen={seen} look={look} onLook={onLook} />
          <Heatmap seen={seen} input={input} palette={palette} name={name} cell={cell} onCell={onCell} />
          <ColourBar seen={seen} palette={palette} unit={unit(seen)} />
          <Readout seen={seen} input={input} cell={cell} pinned={hovered === null && pinned !== null} />
          <Notes seen={seen} look={look} prompt={input?.prompt ?? null} />
          {input && input.texts.length > 0 && (
            <details class="reading" open>
              <summary>In the text</summary>
              <div class="segments" role="group" aria-label="Side">
                <button type="button" aria-pressed={!incoming} onClick={() => setIncoming(false)}>what the query attends to</button>
                <button type="button" aria-pressed={incoming} onClick={() => setIncoming(true)}>what attends to the key</button>
              </div>
              <TokenText seen={seen} input={input} cell={cell} incoming={incoming} onCell={onCell} />
            </details>
          )}
          <Links map={seen.map} input={input} current={linkAt(seen, cell)} onLink={onLink} />
        </>
      )}
    </section>
  );
}

function Facts({ source, place }: { source: Source; place: Place }) {
  const line = source.heads.find((h) => h.layer === place.layer && h.head === place.head);
  if (!line) return <span class="facts" />;
  const words = [line.class ?? "not testable", ...line.kinds];
  return <span class="facts">{line.failed ? `failed a check · ${words.join(" · ")}` : words.join(" · ")}</span>;
}

function Controls({ source, seen, look, onLook }: { source: Source; seen: Seen; look: Look; onLook: (look: Look) => void }) {
  const sinks = seen.map.sinks.map((s) => s.key).join(", ");
  const ranks = look.spacing === "quantile";
  return (
    <div class="controls">
      <div class="segments" role="group" aria-label="Scale">
        {SPACINGS.map(([spacing, title]) => (
          <button type="button" key={spacing} aria-pressed={look.spacing === spacing} onClick={() => onLook({ ...look, spacing })}>
            {title}
          </button>
        ))}
      </div>
      <div class="segments" role="group" aria-label="Range of the scale">
        {[true, false].map((shared) => (
          <button
            type="button"
            key={String(shared)}
            aria-pressed={!ranks && look.shared === shared}
            disabled={ranks}
            title={ranks ? "ranks are within this head" : ""}
            onClick={() => onLook({ ...look, shared })}
          >
            {shared ? "Same for all heads" : "This head's own"}
          </button>
        ))}
      </div>
      <label class="choice">
        Colours{" "}
        <select value={look.palette} onChange={(e) => onLook({ ...look, palette: Number(e.currentTarget.value) })}>
          {source.palettes.map((p, index) => (
            <option key={p.name} value={index}>{p.name}</option>
          ))}
        </select>
      </label>
      <label class="choice" title={sinks ? "" : "No key visible to half of the queries receives more than 0.3 of their attention"}>
        <input
          type="checkbox"
          checked={look.hideSink}
          onChange={(e) => onLook({ ...look, hideSink: e.currentTarget.checked })}
        />{" "}
        Hide the sink and renormalise{sinks ? ` (key ${sinks})` : ""}
      </label>
    </div>
  );
}

function unit(seen: Seen): string {
  const what = seen.without ? "weight without the sink, renormalised" : "attention weight";
  const pooled = isPooled(seen.map) ? ", maximum of a cell" : "";
  const spacing = { linear: "", log: ", logarithmic", quantile: ", by rank within this head" }[seen.scale.spacing];
  return what + pooled + spacing;
}

/** The strongest link in a cell. */
function linkAt(seen: Seen, cell: Cell | null): Link | null {
  if (!cell) return null;
  const { query, queryEnd, key, keyEnd } = pairs(seen.map, cell);
  const inside = seen.map.links.filter((l) => l.query >= query && l.query < queryEnd && l.key >= key && l.key < keyEnd);
  return inside.reduce<Link | null>((best, link) => (best === null || link.weight > best.weight ? link : best), null);
}

function Readout({ seen, input, cell, pinned }: { seen: Seen; input: Input | undefined; cell: Cell | null; pinned: boolean }) {
  if (!cell) return <p class="readout" role="status">Point at a cell, or move with the arrow keys.</p>;
  const { map } = seen;
  const texts = input?.texts ?? [];
  const { query, queryEnd, key, keyEnd } = pairs(map, cell);
  const at = cell.row * map.columns + cell.column;
  const weight = seen.weights[at] as number;
  const link = linkAt(seen, cell);
  const count = (queryEnd - query) * (keyEnd - key);
  let value;
  if (seen.blank[at] === 1) value = <b>masked</b>;
  else if (seen.blank[at] === 2) value = <b>hidden sink</b>;
  else if (Number.isNaN(weight)) value = <b>NaN</b>;
  else if (link && !seen.without && Math.abs(link.weight - weight) <= 2 * map.error * link.weight) {
    value = (
      <>
        <b>{weightText(link.weight, 6)}</b> exact{count > 1 ? `, from ${link.query} to ${link.key}` : ""}
      </>
    );
  } else if (weight === 0) value = <b>{seen.without ? "≈ 0" : `below ${number(map.low, 1)}`}</b>;
  else {
    value = (
      <>
        <b>≈ {number(weight, 2)}</b>
        {count > 1 ? ` at most, in ${count} pairs` : ""}
      </>
    );
  }
  return (
    <p class="readout" role="status" aria-live={pinned ? "polite" : "off"}>
      <Span texts={texts} from={query} to={queryEnd} /> <span aria-label="attends to">→</span>{" "}
      <Span texts={texts} from={key} to={keyEnd} /> <span class="value">{value}</span>
    </p>
  );
}

function Notes({ seen, look, prompt }: { seen: Seen; look: Look; prompt: number | null }) {
  const { map } = seen;
  const notes: string[] = [];
  if (isPooled(map)) {
    notes.push(
      `${map.queries} × ${map.keys} weights in ${map.rows} × ${map.columns} cells: a cell is the largest weight of ` +
        `${map.queries % map.rows || map.keys % map.columns ? "up to " : ""}` +
        `${Math.ceil(map.queries / map.rows)} × ${Math.ceil(map.keys / map.columns)} pairs.`,
    );
  }
  if (prompt !== null && prompt > 0 && prompt < map.keys) notes.push(`The dashed line is where the prompt of ${prompt} tokens ends.`);
  if (map.kept) notes.push("The weights were not kept; these are the pooled maxima that were.");
  notes.push(`Colours and hovered weights are rounded to ${number(100 * map.error, 1)} %; the links below are exact.`);
  if (look.hideSink && map.sinks.length === 0) {
    notes.push("There is no sink to hide: on this input no key visible to half of the queries receives more than 0.3 of their attention.");
  }
  if (seen.without) {
    const names = map.sinks.map((s) => `key ${s.key} (mean ${number(s.mean, 2)})`).join(", ");
    notes.push(
      `Not what the model used: ${names} is hidden and every row renormalised` +
        `${isPooled(map) ? ", on average over the queries of a cell" : ""}.`,
    );
  }
  return <p class={seen.without ? "notes warned" : "notes"}>{notes.join(" ")}</p>;
}
