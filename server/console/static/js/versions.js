// The versions of a model as a table: state, labels, workers, memory.

import { section } from "./dom.js";
import { bytes, count, duration, number, span } from "./format.js";
import { tone, word } from "./states.js";
import { stateTable } from "./table.js";

const COLUMNS = [
  "Version",
  "State",
  "In state",
  "Labels",
  "Loaded in",
  "Warm-up",
  "Workers",
  "Memory",
  "Requests",
];

export function versions() {
  const table = stateTable("Versions", COLUMNS);
  return {
    node: section("versions-title", "Versions", table.node),
    update: (view) =>
      table.update(view.versions.map((version, place) => row(view, version, place)).reverse()),
  };
}

function row(view, version, place) {
  return {
    key: `${version.version}/${twin(view, place)}`,
    head: version.default ? `${version.version} · answers` : String(version.version),
    tone: tone(version.state),
    state: word(version.state),
    facts: facts(view, version),
  };
}

/** How many of the same number come before: a version is there twice while its settings change. */
function twin(view, place) {
  return view.versions.slice(0, place).filter((one) => one.version === view.versions[place].version).length;
}

function facts(view, version) {
  const labels = Object.entries(view.labels).filter(([, number_]) => number_ === version.version);
  const restarts = Object.values(version.restarts).reduce((sum, times) => sum + times, 0);
  const memory = version.workers.reduce(
    (sum, one) => sum + (one.proportional_bytes ?? one.resident_bytes ?? 0),
    0,
  );
  const requests = Object.values(version.requests)
    .flatMap(Object.values)
    .reduce((sum, one) => sum + one.count, 0);
  const workers = version.workers.length ? `${version.workers.length} on ${version.device || "cpu"}` : "–";
  return [
    span(version.seconds_in_state),
    labels.map(([label]) => label).join(", ") || "–",
    duration(version.load_s),
    duration(version.warm_up_s),
    restarts ? `${workers}, ${count(restarts, "restart")}` : workers,
    version.workers.length ? bytes(memory) : "–",
    number(requests),
  ];
}
