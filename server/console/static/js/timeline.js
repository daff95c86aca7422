// What happened to the versions of a model: a lane for each, and the same in words.

import { el, section, show, svg } from "./dom.js";
import { events } from "./events.js";
import { clock, duration } from "./format.js";
import { lanes } from "./lanes.js";
import { tone, word } from "./states.js";

const LEAST_WIDTH = 280;
const NAMES = 44;
const MOST_SECONDS = 3600;
const LEAST_SECONDS = 10;
const LANE = 26;

export function timeline(name, store) {
  const drawing = el("div", {
    class: "lanes",
    tabindex: 0,
    role: "group",
    "aria-label": "The timeline as a drawing",
  });
  const happened = events("What happened to this model, newest first");
  const none = el("p", { class: "note" }, "Nothing happened yet.");
  const node = section(
    "timeline-title",
    "Timeline of swaps",
    el("div", { class: "card" }, none, drawing, happened.node),
  );
  return {
    node,
    update() {
      const entries = store.history.filter((entry) => entry.model === name);
      const now = store.overview.time;
      show(none, !entries.length);
      const found = lanes(entries, now);
      const width = Math.max(LEAST_WIDTH, drawing.clientWidth);
      drawing.replaceChildren(...(found.length ? [picture(found, now, width)] : []));
      happened.update(entries);
    },
  };
}

function picture(found, now, width) {
  const height = found.length * LANE + 18;
  const begun = Math.min(...found.flatMap((lane) => lane.parts.map((part) => part.from)));
  const from = Math.max(begun, now - MOST_SECONDS);
  const long = Math.max(now - from, LEAST_SECONDS);
  const x = (time) => Math.max(0, (time - from) / long) * (width - NAMES) + NAMES;
  const drawn = svg("svg", {
    class: "swaps",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": `When each of ${found.length} versions was in which state; the list below says the same.`,
  });
  found.forEach(({ version, parts }, place) => {
    const y = place * LANE + 4;
    drawn.append(svg("text", { class: "lane-name", x: 0, y: y + 13 }, `v${version}`));
    drawn.append(svg("line", { class: "lane-rule", x1: NAMES, x2: width, y1: y + 9, y2: y + 9 }));
    drawn.append(...parts.filter((part) => part.to >= from).map((part) => span(version, part, x, y)));
  });
  drawn.append(svg("text", { class: "lane-time", x: NAMES, y: height - 2 }, clock(from)));
  drawn.append(svg("text", { class: "lane-time", x: width, y: height - 2, "text-anchor": "end" }, "now"));
  return drawn;
}

function span(version, { state, from, to }, x, y) {
  const [begin, end] = [x(from), x(to)];
  const title = `version ${version}: ${word(state)} for ${duration(to - from)}`;
  return svg(
    "rect",
    {
      class: "span",
      "data-tone": tone(state),
      x: begin,
      y,
      width: Math.max(4, end - begin),
      height: 18,
      rx: 4,
    },
    svg("title", {}, title),
  );
}
