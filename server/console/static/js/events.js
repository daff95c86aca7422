// What happened, in words: the newest first.

import { el } from "./dom.js";
import { clock, duration } from "./format.js";
import { address } from "./place.js";
import { tone, word } from "./states.js";

const MOST = 40;

/** A list that `update(entries)` fills, `entries` oldest first; `named` says of which model each is. */
export function events(label, named = false) {
  const node = el("ol", { class: "events", tabindex: 0, "aria-label": label });
  let told = "";
  return {
    node,
    update(entries) {
      const last = JSON.stringify(entries.at(-1) ?? null) + entries.length;
      if (last !== told)
        node.replaceChildren(
          ...entries
            .slice(-MOST)
            .reverse()
            .map((entry) => event(entry, named)),
        );
      told = last;
    },
  };
}

function event(entry, named) {
  const line = el(
    "li",
    {},
    el("time", { datetime: new Date(entry.time * 1000).toISOString() }, clock(entry.time)),
    el("span", { class: "chip", "data-tone": tone(entry.target) }, word(entry.target)),
    named ? el("a", { href: address(entry.model) }, entry.model) : null,
    el("span", {}, `version ${entry.version}, after ${duration(entry.seconds)} ${word(entry.source)}`),
  );
  if (entry.cause) line.append(el("span", { class: "cause" }, `by ${entry.cause}`));
  if (entry.reason) line.append(el("span", { class: "reason" }, entry.reason));
  return line;
}
