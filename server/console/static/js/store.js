// What the server said last, asked each second while the page is looked at, and who wants to know.

import * as api from "./api.js";
import { AllSeries } from "./series.js";

const EVERY_MS = 1000;
const SLOW_MS = 5000;
const PATIENCE_MS = 8000;

export class Store {
  constructor() {
    this.series = new AllSeries();
    this.about = null;
    this.overview = null;
    this.index = [];
    this.history = [];
    this.link = { state: "connecting", text: "connecting …" };
    this._listeners = new Set();
    this._slowAt = -Infinity;
    this._states = "";
    this._timer = 0;
  }

  /** Call `listener` after every answer. */
  follow(listener) {
    this._listeners.add(listener);
  }

  /** Begin to ask, and go on. */
  start() {
    document.addEventListener("visibilitychange", () => this.soon());
    this.soon();
  }

  /** Ask now: something was just done. */
  soon() {
    this._slowAt = -Infinity;
    clearTimeout(this._timer);
    if (!this._asking) this._ask();
  }

  async _ask() {
    this._asking = true;
    const began = performance.now();
    try {
      await this._take(AbortSignal.timeout(PATIENCE_MS));
      this.link = { state: "live", text: "live" };
    } catch (error) {
      const text = error instanceof api.Refused ? error.message : "the server does not answer; asking again";
      this.link = { state: "lost", text };
    }
    this._asking = false;
    for (const listener of this._listeners) listener(this);
    if (document.hidden) return;
    this._timer = setTimeout(() => this._ask(), Math.max(100, EVERY_MS - (performance.now() - began)));
  }

  async _take(signal) {
    this.about ??= await api.about();
    this.overview = await api.overview(signal);
    this.series.take(this.overview);
    // What changes seldom is asked again when a state changed, or after a while.
    const states = JSON.stringify(this.overview.models.map(state));
    if (states === this._states && performance.now() - this._slowAt < SLOW_MS) return;
    [this.index, this.history] = await Promise.all([
      api.index(),
      api.history(signal).then((told) => told.history),
    ]);
    this._states = states;
    this._slowAt = performance.now();
  }

  /** A model as the overview has it; one that is only known by name where it does not. */
  model(name) {
    const found = this.overview?.models.find((view) => view.name === name);
    if (found) return found;
    const lines = this.index.filter((line) => line.name === name);
    if (!lines.length) return null;
    const error = lines.find((line) => line.reason)?.reason ?? "";
    return { name, error, labels: {}, pending_rows: 0, pending_bytes: 0, versions: [] };
  }

  /** All names, those that are only known from the repository among them. */
  get names() {
    const names = new Set(this.overview?.models.map((view) => view.name) ?? []);
    for (const line of this.index) names.add(line.name);
    return [...names].sort();
  }
}

function state(view) {
  return [
    view.name,
    view.labels,
    view.error,
    view.versions.map((one) => [one.version, one.state, one.default]),
  ];
}
