// The form to try a model: made of its signature, run as one inference, answered below.

import * as api from "../api.js";
import { el, say, section, show } from "../dom.js";
import { bytes } from "../format.js";
import { SERVING } from "../states.js";
import { answer } from "./answer.js";
import { field } from "./fields.js";

export function tryIt(name, store) {
  const form = new TryForm(name, store);
  return { node: form.node, update: (view) => form.update(view) };
}

class TryForm {
  constructor(name, store) {
    this._name = name;
    this._store = store;
    this._fields = [];
    this._metadata = null;
    this._asked = null;
    this._built = "";
    this._version = this._select("try-version", "Version", () => this._ask());
    this._signature = this._select("try-signature", "Signature", () => this._build());
    this._raw = el("input", { type: "checkbox", on: { change: () => this._edit() } });
    this._text = el("textarea", {
      class: "mono",
      rows: 14,
      spellcheck: "false",
      "aria-label": "The request as JSON",
      hidden: true,
    });
    this._inputs = el("div", { class: "inputs" });
    this._run = el("button", { type: "submit", class: "strong" }, "Run");
    this._problem = el("p", { class: "problem", role: "alert", hidden: true });
    this._said = el("p", { class: "said", role: "status" });
    this._answer = el("div", { class: "answer" });
    this._form = el(
      "form",
      { class: "card", "aria-label": "Request" },
      el(
        "div",
        { class: "try-head" },
        this._version.node,
        this._signature.node,
        el("label", { class: "check" }, this._raw, "Edit as JSON"),
      ),
      this._inputs,
      this._text,
      el("div", { class: "buttons" }, this._run),
      this._problem,
    );
    this._none = el("p", { class: "note" }, "No version is ready to be tried.");
    this._both = el(
      "div",
      { class: "halves" },
      this._form,
      el("div", { class: "card result" }, el("h3", {}, "Answer"), this._said, this._answer),
    );
    this.node = section("try-title", "Try it", this._none, this._both);
    this._form.addEventListener("submit", (event) => {
      event.preventDefault();
      this._send();
    });
    say(this._said, "Run an inference to see what the model says.");
  }

  /** Offer what can be asked for now, and learn the signature when another version answers. */
  update(view) {
    const ready = view.versions.filter((version) => version.state === SERVING);
    const names = ["", ...ready.map((one) => String(one.version)), ...Object.keys(view.labels)];
    const unique = [...new Set(names)];
    this._version.offer(unique.map((one) => [one, one || "the default"]));
    show(this._none, !ready.length);
    show(this._both, ready.length > 0);
    const serving = JSON.stringify([view.labels, ready.map((one) => [one.version, one.default])]);
    if (ready.length && serving !== this._asked) {
      this._asked = serving;
      this._ask();
    }
  }

  async _ask() {
    const asked = this._asked;
    try {
      this._metadata = await api.metadata(this._name, this._version.input.value);
      this._fail("");
    } catch (error) {
      if (asked === this._asked) this._asked = null;
      this._fail(error.message);
      return;
    }
    const signatures = Object.keys(this._metadata.signatures ?? {});
    this._signature.offer(signatures.map((one) => [one, one]));
    show(this._signature.node, signatures.length > 1);
    this._build();
  }

  _build() {
    const called = this._metadata.signatures?.[this._signature.input.value] ?? this._metadata;
    const built = JSON.stringify([this._signature.input.value, called.inputs]);
    if (built === this._built) return;
    this._built = built;
    this._fields = called.inputs.map(field);
    this._inputs.replaceChildren(...this._fields.map((one) => one.node));
    if (this._raw.checked) this._edit();
  }

  _edit() {
    const raw = this._raw.checked;
    if (raw) {
      try {
        this._text.value = JSON.stringify(this._request(), null, 1);
      } catch {
        const inputs = (this._metadata?.inputs ?? []).map((spec) => ({ ...spec, data: [] }));
        this._text.value = JSON.stringify({ inputs }, null, 1);
      }
    }
    show(this._text, raw);
    show(this._inputs, !raw);
  }

  _request() {
    const request = { inputs: this._fields.map((one) => one.read()) };
    const signature = this._signature.input.value;
    if (signature && signature !== this._metadata.default_signature)
      request.parameters = { signature_name: signature };
    return request;
  }

  async _send() {
    this._run.disabled = true;
    this._fail("");
    try {
      const body = this._raw.checked ? this._text.value : JSON.stringify(this._request());
      const most = this._store.about.max_bytes;
      if (body.length > most)
        throw new Error(`the request has ${bytes(body.length)}; from here at most ${bytes(most)} are sent`);
      const shown = answer(await api.infer(this._name, this._version.input.value, body));
      this._answer.replaceChildren(shown.node);
      say(this._said, shown.said);
    } catch (error) {
      this._fail(error.message);
    }
    this._run.disabled = false;
    this._store.soon();
  }

  _fail(message) {
    show(this._problem, Boolean(message));
    say(this._problem, message);
  }

  _select(id, title, changed) {
    const input = el("select", { id, on: { change: changed } });
    let offered = "";
    return {
      input,
      node: el("div", { class: "field" }, el("label", { for: id }, title), input),
      offer(choices) {
        const told = JSON.stringify(choices);
        if (told === offered) return;
        offered = told;
        const chosen = input.value;
        input.replaceChildren(...choices.map(([value, text]) => el("option", { value }, text)));
        if (choices.some(([value]) => value === chosen)) input.value = chosen;
      },
    };
  }
}
