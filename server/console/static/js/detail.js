// One model: what it is doing, its versions, what happened, and a form to try it.

import { actions, labels } from "./actions.js";
import { el, keep, say, show } from "./dom.js";
import { load } from "./load.js";
import { answering, failures, modelState } from "./states.js";
import { timeline } from "./timeline.js";
import { tryIt } from "./try/form.js";
import { versions } from "./versions.js";

export function detail(place, container, store) {
  let current = null;
  function refresh() {
    if (!current || !store.overview) return;
    const view = store.model(current.name);
    show(current.gone, !view);
    show(current.node, Boolean(view));
    if (view) current.update(view);
  }
  place.follow(({ model }, moved) => {
    document.body.dataset.view = model ? "model" : "all";
    document.title = model ? `${model} – Underway console` : "Underway console";
    current = model ? panel(model, store) : null;
    container.replaceChildren(...(current ? [current.gone, current.node] : []));
    refresh();
    if (moved) (container.querySelector("h1") ?? document.getElementById("main")).focus();
  });
  store.follow(refresh);
}

function panel(name, store) {
  const state = el("span", { class: "chip" });
  const runtime = el("span", { class: "chip plain" });
  const parts = [
    labels(name, store),
    actions(name, store),
    problems(name, store),
    load(name, store),
    tryIt(name, store),
    versions(name, store),
    timeline(name, store),
  ];
  const [tags, buttons, ...sections] = parts;
  const node = el(
    "article",
    { "aria-labelledby": "model-name" },
    el(
      "header",
      { class: "model-head" },
      el("a", { class: "back", href: "#/" }, "← All models"),
      el(
        "div",
        { class: "model-title" },
        el("h1", { id: "model-name", tabindex: "-1" }, name),
        state,
        runtime,
      ),
      tags.node,
      buttons.node,
    ),
    ...sections.map((section) => section.node),
  );
  return {
    name,
    node,
    gone: el("p", { class: "empty", hidden: true }, "There is no such model, or not any more."),
    update(view) {
      const found = modelState(view);
      state.dataset.tone = found.tone;
      const version = answering(view);
      say(state, version ? `${found.text} · version ${version.version} answers` : found.text);
      say(runtime, view.versions.at(-1)?.runtime ?? "");
      show(runtime, Boolean(view.versions.at(-1)?.runtime));
      for (const part of parts) part.update(view);
    },
  };
}

function problems(name, store) {
  const list = el("ul");
  const node = el("section", { class: "problems", "aria-label": "Failures" }, el("h2", {}, "Failures"), list);
  const parts = new Map();
  return {
    node,
    update(view) {
      const found = failures(
        view,
        store.index.filter((line) => line.name === name),
      );
      show(node, found.length > 0);
      keep(
        list,
        parts,
        found,
        ({ key }) => key,
        ({ where }) => {
          const reason = el("span", { class: "reason" });
          return {
            node: el("li", {}, el("strong", {}, `${where}: `), reason),
            update: (one) => say(reason, one.reason),
          };
        },
      );
    },
  };
}
