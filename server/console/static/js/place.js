// Where one is: `#/` is all models, `#/models/NAME` one of them.

const PREFIX = "#/models/";

/** The link to a model. */
export const address = (name) => PREFIX + encodeURIComponent(name);

export class Place {
  constructor() {
    this.model = "";
    this._listeners = new Set();
    addEventListener("hashchange", () => this._read(true));
    this._read(false);
  }

  /** Call `listener` whenever it changes, and once now. */
  follow(listener) {
    this._listeners.add(listener);
    listener(this, false);
  }

  _read(moved) {
    let name = "";
    if (location.hash.startsWith(PREFIX)) {
      try {
        name = decodeURIComponent(location.hash.slice(PREFIX.length));
      } catch {
        name = "";
      }
    }
    this.model = name;
    for (const listener of this._listeners ?? []) listener(this, moved);
  }
}
