// What operators do to a model: load, unload, roll back, move labels. Each is confirmed.

import * as api from "./api.js";
import { ask } from "./dialog.js";
import { el, keep, say, show } from "./dom.js";
import { notice } from "./notices.js";
import { SERVING, answering } from "./states.js";

const EXPLICIT = "explicit";

export function actions(name, store) {
  const act = (doing, done) => async (values) => {
    await doing(values);
    notice(done, "good");
    store.soon();
  };
  const button = (text, click) => el("button", { type: "button", on: { click } }, text);
  const load = button("Load", () =>
    ask({
      title: `Load ${name}?`,
      text: "It is loaded as the repository has it now. What serves goes on until the new one is ready.",
      button: "Load",
      act: act(() => api.load(name), `${name} is loaded`),
    }),
  );
  const unload = button("Unload", () =>
    ask({
      title: `Unload ${name}?`,
      text: "What is in flight is answered. After that, requests for this model are refused.",
      button: "Unload",
      danger: true,
      act: act(() => api.unload(name), `${name} is unloaded`),
    }),
  );
  const back = button("Roll back", () => {
    const now = answering(store.model(name))?.version;
    ask({
      title: `Roll ${name} back?`,
      text: `The version before ${now ?? "this one"} answers again once it is ready, and version ${now ?? ""} is not taken up again.`,
      button: "Roll back",
      danger: true,
      act: act(() => api.rollBack(name), `${name} is rolled back`),
    });
  });
  const label = button("Label …", () => askLabel(name, store, act));
  const note = el("p", { class: "note" });
  const node = el(
    "div",
    { class: "actions" },
    el("div", { class: "buttons" }, load, unload, back, label),
    note,
  );
  return {
    node,
    update(view) {
      const explicit = store.about?.model_control === EXPLICIT;
      const loaded = view.versions.some((version) => version.state === SERVING);
      show(load, explicit);
      show(unload, explicit && loaded);
      show(back, loaded);
      show(label, loaded);
      say(load, loaded ? "Load again" : "Load");
      say(note, explicit || !store.about ? "" : off(store.about.model_control));
      show(note, !explicit);
    },
  };
}

function off(control) {
  const why =
    control === "poll"
      ? "the server follows its model repository"
      : "the server serves what was there at its start";
  return `Load and unload are off: ${why} (--model-control ${control}). Start it with --model-control explicit to have them here.`;
}

function askLabel(name, store, act) {
  const view = store.model(name);
  const ready = view.versions.filter((version) => version.state === SERVING).map((one) => one.version);
  const text = el("input", {
    id: "label-name",
    required: true,
    maxlength: 64,
    pattern: "[A-Za-z][A-Za-z0-9_\\-]*",
    list: "label-names",
    autocomplete: "off",
  });
  const known = el(
    "datalist",
    { id: "label-names" },
    ...Object.keys(view.labels).map((one) => el("option", { value: one })),
  );
  const version = el(
    "select",
    { id: "label-version" },
    ...ready.map((one) => el("option", { value: one }, `version ${one}`)),
  );
  ask({
    title: `Label a version of ${name}`,
    text: "Clients may ask for a label in place of a number. A labelled version stays loaded.",
    button: "Set label",
    fields: [
      {
        node: el("div", { class: "field" }, el("label", { for: "label-name" }, "Label"), text, known),
        read: () => text.value,
      },
      {
        node: el("div", { class: "field" }, el("label", { for: "label-version" }, "Points to"), version),
        read: () => Number(version.value),
      },
    ],
    act: act(([label, number]) => api.label(name, { [label]: number }), `${name}: label set`),
  });
}

/** The labels of a model, each with a button that takes it away. */
export function labels(name, store) {
  const node = el("ul", { class: "labels", "aria-label": "Labels" });
  const parts = new Map();
  return {
    node,
    update(view) {
      const items = Object.entries(view.labels).sort();
      show(node, items.length > 0);
      keep(
        node,
        parts,
        items,
        ([label]) => label,
        ([label]) => labelItem(name, label, store),
      );
    },
  };
}

function labelItem(name, label, store) {
  const number = el("span", { class: "label-version" });
  const remove = () =>
    ask({
      title: `Remove the label ${label}?`,
      text: "Requests that ask for it are refused from then on.",
      button: "Remove",
      danger: true,
      act: async () => {
        await api.label(name, { [label]: null });
        notice(`${name}: label ${label} removed`, "good");
        store.soon();
      },
    });
  const button = el(
    "button",
    { type: "button", class: "cross", "aria-label": `Remove the label ${label}`, on: { click: remove } },
    "×",
  );
  return {
    node: el("li", { class: "chip" }, el("span", {}, label), number, button),
    update: ([, version]) => say(number, `→ ${version}`),
  };
}
