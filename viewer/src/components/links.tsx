// The pairs that stand out most, with their exact weights.

import { number, weightText } from "../scale";
import type { HeadMap, Input, Link } from "../source";
import { Token } from "./token";

interface Props {
  map: HeadMap;
  input: Input | undefined;
  /** The pair under the cursor. */
  current: Link | null;
  onLink: (link: Link) => void;
}

export function Links({ map, input, current, onLink }: Props) {
  if (map.links.length === 0) return <p class="key">No weight exceeds that of a uniform row by 0.01 or more.</p>;
  const show = (position: number) => {
    const text = input?.texts[position];
    return (
      <>
        {text !== undefined && <Token text={text} limit={18} />} <span class="at">{position}</span>
      </>
    );
  };
  return (
    <div class="links">
      <table>
        <caption title="Ranked by how far a weight is above that of a uniform row, so that a query with only two visible keys does not rank high by necessity">
          Links that stand out most from a uniform row, exact weights
        </caption>
        <thead>
          <tr>
            <th scope="col" class="n">Weight</th>
            <th scope="col">Query</th>
            <th scope="col">Key</th>
          </tr>
        </thead>
        <tbody>
          {map.links.map((link) => (
            <tr key={`${link.query}.${link.key}`} class={link === current ? "current" : ""}>
              <td class="n">
                <button
                  type="button"
                  title={`${number(link.weight, 8)}: show it in the map`}
                  onClick={() => onLink(link)}
                >
                  {weightText(link.weight)}
                </button>
              </td>
              <td>{show(link.query)}</td>
              <td>{show(link.key)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
