// A token as text, whatever is in it.

import { pieces } from "../text";

/** Shows a token isolated from its neighbours, hidden characters as boxes with their number. */
export function Token({ text, limit = 40 }: { text: string; limit?: number }) {
  let left = limit;
  const shown = [];
  if (text === "") shown.push(<span class="code">empty</span>);
  for (const piece of pieces(text)) {
    if (left <= 0) {
      shown.push("…");
      break;
    }
    if ("code" in piece) {
      shown.push(<span class="code">{piece.code}</span>);
      left -= 1;
    } else {
      const characters = [...piece.plain];
      shown.push(characters.slice(0, left).join(""));
      left -= characters.length;
      if (left < 0) shown.push("…");
    }
  }
  return <bdi class="token">{shown}</bdi>;
}

/** Positions from `from` to behind `to`, with their tokens while they are few: "34–35 cat sat". */
export function Span({ texts, from, to }: { texts: string[]; from: number; to: number }) {
  const shown = Math.min(to, from + 4);
  const tokens = [];
  for (let i = from; i < shown; i += 1) {
    const text = texts[i];
    if (text !== undefined) tokens.push(<Token text={text} limit={24} />, " ");
  }
  return (
    <span class="span">
      {tokens}
      {tokens.length > 0 && shown < to ? "… " : ""}
      <span class="at">{to - from > 1 ? `${from}–${to - 1}` : from}</span>
    </span>
  );
}
