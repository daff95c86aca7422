// What just happened, said once, politely, and gone after a while.

import { el } from "./dom.js";

const STAY_MS = 8000;
const MOST = 4;

/** Say `text`; `tone` is `good`, `bad` or nothing. */
export function notice(text, tone = "") {
  const place = document.getElementById("notices");
  const node = el("p", { class: "notice", "data-tone": tone }, text);
  place.append(node);
  while (place.children.length > MOST) place.firstChild.remove();
  setTimeout(() => node.remove(), STAY_MS);
}

/** Say which version answers, whenever that changes. */
export function announceSwaps(store) {
  const last = new Map();
  store.follow(({ overview }) => {
    for (const view of overview?.models ?? []) {
      const version = view.versions.find((one) => one.default)?.version;
      if (last.has(view.name) && version && last.get(view.name) !== version) {
        notice(`${view.name}: version ${version} answers now`, "good");
      }
      last.set(view.name, version ?? last.get(view.name));
    }
  });
}
