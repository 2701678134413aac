// Text from outside: shown as what it is, never obeyed. The same rules as crates/attractor-render/src/text.rs, held
// to the same cases (crates/attractor-render/tests/text_cases.json).

/** A piece of shown text: characters as they are, or one character by number. */
export type Piece = { plain: string } | { code: string };

/** Longest run of combining marks that is shown. */
const MARKS = 3;

const HIDDEN: [number, number][] = [
  [0xad, 0xad], [0x34f, 0x34f], [0x600, 0x605], [0x61c, 0x61c], [0x6dd, 0x6dd], [0x70f, 0x70f], [0x890, 0x891],
  [0x8e2, 0x8e2], [0x115f, 0x1160], [0x17b4, 0x17b5], [0x180b, 0x180f], [0x200b, 0x200f], [0x202a, 0x202e],
  [0x2060, 0x206f], [0x2800, 0x2800], [0x3164, 0x3164], [0xe000, 0xf8ff], [0xfe00, 0xfe0d], [0xfeff, 0xfeff],
  [0xffa0, 0xffa0], [0xfff0, 0xfffc], [0x110bd, 0x110bd], [0x110cd, 0x110cd], [0x13430, 0x1345f],
  [0x1bca0, 0x1bca3], [0x1d173, 0x1d17a], [0xe0000, 0xe0fff], [0xf0000, 0x10ffff], [0xfdd0, 0xfdef],
  // Control characters, and spaces other than U+0020.
  [0x0, 0x1f], [0x7f, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f],
  [0x205f, 0x205f], [0x3000, 0x3000], [0xd800, 0xdfff],
];

const MARKED: [number, number][] = [
  [0x300, 0x34e], [0x350, 0x36f], [0x483, 0x489], [0x591, 0x5bd], [0x5bf, 0x5bf], [0x5c1, 0x5c2], [0x5c4, 0x5c5],
  [0x610, 0x61a], [0x64b, 0x65f], [0x670, 0x670], [0x6d6, 0x6dc], [0x6df, 0x6e4], [0x6e7, 0x6e8], [0x6ea, 0x6ed],
  [0xe31, 0xe31], [0xe34, 0xe3a], [0xe47, 0xe4e], [0x1ab0, 0x1aff], [0x1dc0, 0x1dff], [0x20d0, 0x20ff],
  [0x3099, 0x309a], [0xfe0e, 0xfe0f], [0xfe20, 0xfe2f],
];

const within = (ranges: [number, number][], n: number) => ranges.some(([low, high]) => low <= n && n <= high);

/** Invisible, reordering, or not a character at all. */
export const isHidden = (n: number): boolean => within(HIDDEN, n) || (n & 0xfffe) === 0xfffe;

/** "U+202E" */
export const code = (n: number): string => `U+${n.toString(16).toUpperCase().padStart(4, "0")}`;

/** Cuts text into what can be shown as it is and what is shown by number; a space at either end becomes "␣". */
export function pieces(text: string): Piece[] {
  const all: Piece[] = [];
  const characters = [...text];
  let marks = 0;
  characters.forEach((character, index) => {
    const n = character.codePointAt(0) as number;
    const last = all[all.length - 1];
    if (within(MARKED, n)) {
      marks += 1;
      // A mark needs something of its own to stand on.
      if (!last || !("plain" in last) || marks > MARKS) {
        all.push({ code: code(n) });
        return;
      }
    } else {
      marks = 0;
      if (isHidden(n)) {
        all.push({ code: code(n) });
        return;
      }
    }
    const shown = character === " " && (index === 0 || index === characters.length - 1) ? "␣" : character;
    if (last && "plain" in last) last.plain += shown;
    else all.push({ plain: shown });
  });
  return all;
}

/** Plain text for a label of at most `limit` characters; hidden characters by number in brackets, a cut as "…". */
export function label(text: string, limit: number): string {
  let out = "";
  let length = 0;
  for (const piece of pieces(text)) {
    for (const character of "plain" in piece ? piece.plain : `[${piece.code}]`) {
      if (length + 1 >= Math.max(limit, 2)) return `${out}…`;
      out += character;
      length += 1;
    }
  }
  return out;
}
