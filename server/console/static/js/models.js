// The list of models: a link for each, with its state and what it does now.

import { lineChart } from "./charts.js";
import { el, keep, say } from "./dom.js";
import { number } from "./format.js";
import { address } from "./place.js";
import { answering, modelState } from "./states.js";

export function modelList(list, store, place) {
  const parts = new Map();
  const empty = el("li", { class: "empty" }, "No models yet. Publish one into the model repository.");
  store.follow(() => {
    const { names } = store;
    if (store.overview && !names.length) list.append(empty);
    else empty.remove();
    keep(
      list,
      parts,
      names,
      (name) => name,
      (name) => entry(name, store, place),
    );
  });
}

function entry(name, store, place) {
  const dot = el("i", { class: "dot", "aria-hidden": "true" });
  const text = el("span", { class: "entry-state" });
  const rate = el("span", { class: "entry-rate" });
  const chart = lineChart([{ of: "answered" }], { height: 28 });
  const link = el(
    "a",
    { href: address(name) },
    el("span", { class: "entry-name" }, dot, el("span", {}, name)),
    el("span", { class: "entry-line" }, text, rate),
    chart.node,
  );
  return {
    node: el("li", {}, link),
    update() {
      const view = store.model(name);
      if (!view) return;
      const state = modelState(view);
      const version = answering(view);
      const series = store.series.of(name);
      dot.dataset.tone = state.tone;
      say(text, version ? `${state.text}, version ${version.version}` : state.text);
      say(rate, version ? `${number(series.rate("answered") || 0)}/s` : "");
      chart.update(series.points);
      if (place.model === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    },
  };
}
