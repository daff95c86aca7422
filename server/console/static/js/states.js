// What the states of versions mean to people. Pure.

export const SERVING = "READY";
const WORDS = {
  NEW: "waiting",
  LOADING: "loading",
  WARMING: "warming up",
  READY: "ready",
  DRAINING: "draining",
  UNLOADING: "unloading",
  FAILED: "failed",
  ENDED: "unloaded",
};
const TONES = {
  NEW: "idle",
  LOADING: "busy",
  WARMING: "busy",
  READY: "good",
  DRAINING: "leaving",
  UNLOADING: "leaving",
  FAILED: "bad",
  ENDED: "idle",
};

export const word = (state) => WORDS[state] ?? state.toLowerCase();
export const tone = (state) => TONES[state] ?? "idle";

/** The state of a whole model: the worst that is going on beside what serves. */
export function modelState(view) {
  const states = new Set(view.versions.map((version) => version.state));
  if (view.error || states.has("FAILED")) {
    return states.has(SERVING)
      ? { tone: "warn", text: "ready, with a failure" }
      : { tone: "bad", text: "failed" };
  }
  if (states.has("LOADING") || states.has("WARMING") || states.has("NEW")) {
    return { tone: "busy", text: states.has(SERVING) ? "swapping" : "loading" };
  }
  if (states.has(SERVING)) return { tone: "good", text: "ready" };
  if (states.has("DRAINING") || states.has("UNLOADING")) return { tone: "leaving", text: "unloading" };
  return { tone: "idle", text: "not loaded" };
}

/** Every reason there is, with where it belongs. */
export function failures(view, lines) {
  const found = new Map();
  if (view.error) found.set("model", { where: "The model", reason: view.error });
  for (const version of view.versions) {
    if (version.reason && version.state === "FAILED") {
      found.set(String(version.version), { where: `Version ${version.version}`, reason: version.reason });
    }
  }
  for (const line of lines) {
    const key = line.version ?? "model";
    if (
      line.reason &&
      !found.has(key) &&
      line.reason !== view.error &&
      line.state !== "UNLOADING" &&
      line.reason !== "unloaded"
    ) {
      found.set(key, { where: line.version ? `Version ${line.version}` : "The model", reason: line.reason });
    }
  }
  return [...found].map(([key, value]) => ({ key, ...value }));
}

export const answering = (view) => view.versions.find((version) => version.default);
