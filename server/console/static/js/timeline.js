// What happened to the versions of a model: a lane for each, and the same in words.

import { el, say, show, svg } from "./dom.js";
import { clock, duration } from "./format.js";
import { lanes } from "./lanes.js";
import { tone, word } from "./states.js";

const WIDTH = 1000;
const LANE = 26;
const EVENTS = 30;

export function timeline(name, store) {
  const drawing = el("div", { class: "lanes" });
  const events = el("ol", { class: "events", reversed: true });
  const none = el("p", { class: "note" }, "Nothing happened yet.");
  const node = el(
    "section",
    { "aria-labelledby": "timeline-title" },
    el("h2", { id: "timeline-title" }, "Timeline of swaps"),
    el("div", { class: "card" }, none, drawing, events),
  );
  let told = "";
  return {
    node,
    update() {
      const entries = store.history.filter((entry) => entry.model === name);
      const now = store.overview.time;
      show(none, !entries.length);
      drawing.replaceChildren(...(entries.length ? [picture(lanes(entries, now), now)] : []));
      const last = JSON.stringify(entries.at(-1) ?? null) + entries.length;
      if (last !== told) events.replaceChildren(...entries.slice(-EVENTS).reverse().map(event));
      told = last;
    },
  };
}

function picture(found, now) {
  const height = found.length * LANE + 18;
  const begun = Math.min(...found.flatMap((lane) => lane.parts.map((part) => part.from)));
  const from = Math.max(begun, now - 3600);
  const long = Math.max(now - from, 10);
  const x = (time) => (Math.max(0, (time - from) / long) * (WIDTH - 60)) + 60;
  const drawn = svg("svg", {
    class: "swaps", viewBox: `0 0 ${WIDTH} ${height}`, role: "img",
    "aria-label": `When each of ${found.length} versions was in which state; the list below says the same.`,
  });
  found.forEach((lane, place) => {
    const y = place * LANE + 4;
    drawn.append(svg("text", { class: "lane-name", x: 0, y: y + 13 }, `v${lane.version}`));
    drawn.append(svg("line", { class: "lane-rule", x1: 60, x2: WIDTH, y1: y + 9, y2: y + 9 }));
    for (const part of lane.parts) {
      if (part.to < from) continue;
      const width = Math.max(4, x(part.to) - x(part.from));
      drawn.append(
        svg("rect", { class: "span", "data-tone": tone(part.state), x: x(part.from).toFixed(1), y, width: width.toFixed(1), height: 18, rx: 4 },
          svg("title", {}, `version ${lane.version}: ${word(part.state)} for ${duration(part.to - part.from)}`)),
      );
    }
  });
  drawn.append(svg("text", { class: "lane-time", x: 60, y: height - 2 }, clock(from)));
  drawn.append(svg("text", { class: "lane-time", x: WIDTH, y: height - 2, "text-anchor": "end" }, "now"));
  return drawn;
}

function event(entry) {
  const line = el(
    "li",
    {},
    el("time", { datetime: new Date(entry.time * 1000).toISOString() }, clock(entry.time)),
    el("span", { class: "chip", "data-tone": tone(entry.target) }, word(entry.target)),
    el("span", { class: "event-text" }, `version ${entry.version}, after ${duration(entry.seconds)} ${word(entry.source)}`),
  );
  if (entry.cause) line.append(el("span", { class: "cause" }, `by ${entry.cause}`));
  if (entry.reason) line.append(el("span", { class: "reason" }, entry.reason));
  return line;
}
