// The versions of a model as a table: state, labels, workers, memory.

import { el, keep, say } from "./dom.js";
import { bytes, count, duration, number, span } from "./format.js";
import { tone, word } from "./states.js";

const COLUMNS = [
  "Version",
  "State",
  "In state",
  "Labels",
  "Loaded in",
  "Warm-up",
  "Workers",
  "Memory",
  "Requests",
];

export function versions() {
  const body = el("tbody");
  const parts = new Map();
  const table = el(
    "table",
    {},
    el("caption", { class: "unseen" }, "Versions"),
    el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))),
    body,
  );
  return {
    node: el(
      "section",
      { "aria-labelledby": "versions-title" },
      el("h2", { id: "versions-title" }, "Versions"),
      el("div", { class: "card flush" }, table),
    ),
    update(view) {
      const items = view.versions.map((version, place) => ({
        view,
        version,
        key: `${version.version}/${twin(view, place)}`,
      }));
      keep(body, parts, items.reverse(), ({ key }) => key, row);
    },
  };
}

/** How many of the same number come before: a version is there twice while its settings change. */
function twin(view, place) {
  return view.versions.slice(0, place).filter((one) => one.version === view.versions[place].version).length;
}

function row() {
  const state = el("span", { class: "chip" });
  const head = el("th", { scope: "row" });
  const cells = COLUMNS.slice(1).map((name) => el("td", { "data-name": name }));
  cells[0].append(state);
  return {
    node: el("tr", {}, head, ...cells),
    update({ view, version }) {
      say(head, version.default ? `${version.version} · answers` : String(version.version));
      state.dataset.tone = tone(version.state);
      say(state, word(version.state));
      facts(view, version).forEach((text, place) => say(cells[place + 1], text));
    },
  };
}

function facts(view, version) {
  const labels = Object.entries(view.labels).filter(([, number_]) => number_ === version.version);
  const restarts = Object.values(version.restarts).reduce((sum, times) => sum + times, 0);
  const memory = version.workers.reduce(
    (sum, one) => sum + (one.proportional_bytes ?? one.resident_bytes ?? 0),
    0,
  );
  const requests = Object.values(version.requests)
    .flatMap(Object.values)
    .reduce((sum, one) => sum + one.count, 0);
  const workers = version.workers.length ? `${version.workers.length} on ${version.device || "cpu"}` : "–";
  return [
    span(version.seconds_in_state),
    labels.map(([label]) => label).join(", ") || "–",
    duration(version.load_s),
    duration(version.warm_up_s),
    restarts ? `${workers}, ${count(restarts, "restart")}` : workers,
    version.workers.length ? bytes(memory) : "–",
    number(requests),
  ];
}
