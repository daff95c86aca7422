// One question at a time, in the browser's own dialog: it keeps the focus and gives it back.

import { el } from "./dom.js";

const dialog = () => document.getElementById("dialog");

/**
 * Ask, and do it: `act` gets the values of `fields` and is waited for; what it throws is shown, and
 * the dialog stays. `fields` are `{node, read}`.
 */
export function ask({ title, text, button, danger = false, fields = [], act }) {
  const error = el("p", { class: "problem", role: "alert", hidden: true });
  const go = el("button", { type: "submit", class: danger ? "danger" : "strong" }, button);
  const stop = el("button", { type: "button", on: { click: () => dialog().close() } }, "Cancel");
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "dialog-title" }, title),
    el("p", {}, text),
    ...fields.map((field) => field.node),
    error,
    el("div", { class: "buttons" }, stop, go),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    error.hidden = true;
    try {
      await act(fields.map((field) => field.read()));
      dialog().close();
    } catch (problem) {
      error.textContent = problem.message;
      error.hidden = false;
    }
    go.disabled = false;
  });
  dialog().replaceChildren(form);
  dialog().showModal();
}
