// All models side by side, and what happened last to any of them.

import { el, keep, say } from "./dom.js";
import { events } from "./events.js";
import { bytes, duration, number } from "./format.js";
import { address } from "./place.js";
import { answering, modelState } from "./states.js";

const COLUMNS = ["Model", "State", "Runtime", "Version", "Requests/s", "Median", "p99", "Compute", "Memory"];

export function compare(container, store) {
  const body = el("tbody");
  const parts = new Map();
  const table = el(
    "table",
    {},
    el("caption", { class: "unseen" }, "Models side by side"),
    el("thead", {}, el("tr", {}, ...COLUMNS.map((name) => el("th", { scope: "col" }, name)))),
    body,
  );
  const happened = events("What happened to all models, newest first", true);
  container.append(
    el(
      "section",
      { "aria-labelledby": "compare-title" },
      el("h2", { id: "compare-title" }, "Side by side"),
      el("div", { class: "card flush" }, table),
    ),
    el(
      "section",
      { "aria-labelledby": "latest-title" },
      el("h2", { id: "latest-title" }, "What happened"),
      el("div", { class: "card" }, happened.node),
    ),
  );
  store.follow(() => {
    keep(
      body,
      parts,
      store.names,
      (name) => name,
      (name) => row(name, store),
    );
    happened.update(store.history);
  });
}

function row(name, store) {
  const state = el("span", { class: "chip" });
  const cells = COLUMNS.slice(1).map((title) => el("td", { "data-name": title }));
  cells[0].append(state);
  return {
    node: el("tr", {}, el("th", { scope: "row" }, el("a", { href: address(name) }, name)), ...cells),
    update() {
      const view = store.model(name);
      if (!view) return;
      const found = modelState(view);
      state.dataset.tone = found.tone;
      say(state, found.text);
      facts(view, store.series.of(name)).forEach((text, place) => say(cells[place + 1], text));
    },
  };
}

function facts(view, series) {
  const version = answering(view);
  const compute = series.ends?.now.stages.compute;
  return [
    view.versions.at(-1)?.runtime || "–",
    version ? String(version.version) : "–",
    version ? number(series.rate("answered") || 0) : "–",
    duration(series.last?.p50),
    duration(series.last?.p99),
    compute?.count ? duration(compute.sum / compute.count) : "–",
    bytes(series.last?.memory || null),
  ];
}
