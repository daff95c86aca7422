// What happened to the versions of a model: a lane for each, and the same in words.

import { el, show, svg } from "./dom.js";
import { events } from "./events.js";
import { clock, duration } from "./format.js";
import { lanes } from "./lanes.js";
import { tone, word } from "./states.js";

const WIDTH = 1000;
const LANE = 26;

export function timeline(name, store) {
  const drawing = el("div", { class: "lanes", tabindex: 0, role: "group", "aria-label": "The timeline as a drawing" });
  const happened = events("What happened to this model, newest first");
  const none = el("p", { class: "note" }, "Nothing happened yet.");
  const node = el(
    "section",
    { "aria-labelledby": "timeline-title" },
    el("h2", { id: "timeline-title" }, "Timeline of swaps"),
    el("div", { class: "card" }, none, drawing, happened.node),
  );
  return {
    node,
    update() {
      const entries = store.history.filter((entry) => entry.model === name);
      const now = store.overview.time;
      show(none, !entries.length);
      drawing.replaceChildren(...(entries.length ? [picture(lanes(entries, now), now)] : []));
      happened.update(entries);
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
