// The heads of a source: overview, chart, table and the map of the one that was chosen.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Place, type Source, headName } from "../source";
import type { Look } from "../view";
import { Chart } from "./chart";
import { Explorer } from "./explorer";
import { Overview } from "./overview";
import { HeadTable, NO_FILTER, filtered } from "./table";

interface Props {
  source: Source;
  /** The head to begin with. */
  first: { layer: number; head: number } | null;
  /** Called with a function by which the page outside chooses a head. */
  bind?: (choose: (head: { layer: number; head: number }, go: boolean) => void) => void;
}

export function Heads({ source, first, bind }: Props) {
  const start = first ?? source.heads[0] ?? null;
  const input = source.inputs[0]?.input ?? 0;
  const [place, setPlace] = useState<Place | null>(start && { layer: start.layer, head: start.head, input });
  const [look, setLook] = useState<Look>({ spacing: "log", shared: true, hideSink: false, palette: 0 });
  const hasMaps = source.inputs.length > 0;
  const [shown, setShown] = useState<string | null>(hasMaps ? null : (source.metrics[0]?.name ?? null));
  const [filter, setFilter] = useState(NO_FILTER);
  // Heads that the filter leaves out stand back in the overview too.
  const dimmed = useMemo(() => {
    const through = new Set(filtered(source.heads, filter).map(headName));
    return new Set(source.heads.map(headName).filter((name) => !through.has(name)));
  }, [source, filter]);
  const view = useRef<HTMLDivElement>(null);
  const metric = source.metrics.find((m) => m.name === shown) ?? null;
  const charted = metric ?? source.metrics[0] ?? null;
  const choose = useCallback((head: { layer: number; head: number }, go: boolean) => {
    setPlace((now) => ({ layer: head.layer, head: head.head, input: now?.input ?? input }));
    // Below the table on a phone the map would change unseen.
    const top = view.current?.getBoundingClientRect().top ?? 0;
    if (go && (top < 0 || top > innerHeight * 0.75)) view.current?.scrollIntoView({ block: "start" });
  }, [input]);
  useEffect(() => bind?.(choose), [bind, choose]);
  return (
    <>
      <div class="overview-head">
        <label class="choice">
          Show{" "}
          <select value={shown ?? ""} onChange={(e) => setShown(e.currentTarget.value || null)}>
            {hasMaps && <option value="">maps of all heads</option>}
            {source.metrics.map((m) => (
              <option key={m.name} value={m.name}>{m.title}</option>
            ))}
          </select>
        </label>
        <span class="key">{metric?.about ?? "each small picture is a head's map, in the colours chosen below"}</span>
      </div>
      <div class={metric ? "overviews split" : "overviews"}>
        <Overview source={source} metric={metric} look={look} input={place?.input ?? input} selected={place} dimmed={dimmed} onSelect={choose} />
        {metric && charted && <Chart metric={charted} layers={source.layers} selected={place} onSelect={choose} />}
      </div>
      <div class={hasMaps ? "bench" : ""}>
        <HeadTable heads={source.heads} columns={source.columns} filter={filter} onFilter={setFilter} selected={place} onSelect={choose} />
        {hasMaps && (
          <div class="view" ref={view} id="map">
            {place && (
              <Explorer source={source} place={place} look={look} onLook={setLook} onPlace={setPlace} />
            )}
          </div>
        )}
      </div>
    </>
  );
}
