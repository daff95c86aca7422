// A table of things in a state: a head, the state as a chip, and facts. On a phone rows become cards.

import { el, keep, say } from "./dom.js";

/**
 * A card with the table, which `update(rows)` fills; rows are `{key, head, tone, state, facts}`, facts
 * in the order of `columns` after the first two. `link(row)` says where a head leads, if it does.
 */
export function stateTable(caption, columns, link = null) {
  const body = el("tbody");
  const parts = new Map();
  const head = columns.map((name) => el("th", { scope: "col" }, name));
  const table = el(
    "table",
    {},
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, ...head)),
    body,
  );
  return {
    node: el("div", { class: "card flush" }, table),
    update(rows) {
      const make = (row) => line(columns, link?.(row));
      keep(body, parts, rows, ({ key }) => key, make);
    },
  };
}

function line(columns, href) {
  const chip = el("span", { class: "chip" });
  const name = href ? el("a", { href }) : el("span");
  const cells = columns.slice(1).map((column) => el("td", { "data-name": column }));
  cells[0].append(chip);
  return {
    node: el("tr", {}, el("th", { scope: "row" }, name), ...cells),
    update({ head, tone, state, facts }) {
      say(name, head);
      chip.dataset.tone = tone;
      say(chip, state);
      facts.forEach((text, place) => say(cells[place + 1], text));
    },
  };
}
