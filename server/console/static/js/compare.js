// All models side by side, and what happened last to any of them.

import { el, section } from "./dom.js";
import { events } from "./events.js";
import { bytes, duration, number } from "./format.js";
import { address } from "./place.js";
import { answering, modelState } from "./states.js";
import { stateTable } from "./table.js";

const COLUMNS = ["Model", "State", "Runtime", "Version", "Requests/s", "Median", "p99", "Compute", "Memory"];

export function compare(container, store) {
  const table = stateTable("Models side by side", COLUMNS, ({ head }) => address(head));
  const happened = events("What happened to all models, newest first", true);
  container.append(
    section("compare-title", "Side by side", table.node),
    section("latest-title", "What happened", el("div", { class: "card" }, happened.node)),
  );
  store.follow(() => {
    table.update(store.names.map((name) => row(name, store)));
    happened.update(store.history);
  });
}

function row(name, store) {
  const view = store.model(name);
  const { tone, text } = modelState(view);
  return { key: name, head: name, tone, state: text, facts: facts(view, store.series.of(name)) };
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
