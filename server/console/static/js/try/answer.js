// An answer: its outputs as bars, texts or numbers, and where its time went.

import { bars, stackedBar } from "../charts.js";
import { el } from "../dom.js";
import { duration, percent } from "../format.js";

const CLASSES = { least: 2, most: 2000, shown: 10 };
const ROWS = 8;
const VALUES = 256;

/** What is shown of `answered`, and the sentence that says the most of it. */
export function answer({ document, timings, roundTrip }) {
  const outputs = document.outputs ?? [];
  const shown = outputs.map(output);
  const found =
    shown
      .map((one) => one.said)
      .filter(Boolean)
      .join(" · ") || "answered";
  const said = `${found} (version ${document.model_version})`;
  const raw = el(
    "details",
    {},
    el("summary", {}, "The answer as JSON"),
    el("pre", { tabindex: 0 }, text(document)),
  );
  const node = el("div", {}, ...shown.map((one) => one.node), times(timings, roundTrip), raw);
  return { node, said };
}

function output(tensor) {
  const rows = classesOf(tensor);
  const head = el(
    "h4",
    {},
    el("span", {}, tensor.name),
    el("code", {}, `${tensor.datatype} [${tensor.shape.join(", ")}]`),
  );
  if (rows) {
    const best = rows.map((row) => row.indexOf(Math.max(...row)));
    return {
      node: el(
        "div",
        { class: "output" },
        head,
        ...rows.slice(0, ROWS).map((row, place) => classBars(row, best[place])),
        rest(rows),
      ),
      said: `${tensor.name}: class ${best[0]}, ${percent(rows[0][best[0]])}`,
    };
  }
  const values = tensor.data ?? [];
  const list = el(
    "ul",
    { class: "values" },
    ...values.slice(0, VALUES).map((value) => el("li", {}, value === null ? "null" : String(value))),
  );
  const more =
    values.length > VALUES ? el("p", { class: "note" }, `… and ${values.length - VALUES} more`) : null;
  const short = values.length === 1 ? `${tensor.name}: ${String(values[0]).slice(0, 100)}` : "";
  return { node: el("div", { class: "output" }, head, list, more), said: short };
}

/** The rows of an output that looks like probabilities of classes, else null. */
export function classesOf({ datatype, shape, data }) {
  const classes = shape.at(-1);
  if (!datatype.startsWith("FP") || !data || classes < CLASSES.least || classes > CLASSES.most) return null;
  if (!data.length || !data.every((value) => value >= -1e-6 && value <= 1 + 1e-6)) return null;
  const rows = Array.from({ length: data.length / classes }, (_, row) =>
    data.slice(row * classes, (row + 1) * classes),
  );
  return rows.every((row) => Math.abs(row.reduce((sum, value) => sum + value, 0) - 1) < 0.02) ? rows : null;
}

function classBars(row, best) {
  let places = row.map((_, place) => place);
  if (row.length > CLASSES.shown) places = places.sort((a, b) => row[b] - row[a]).slice(0, CLASSES.shown);
  return bars(
    places.map((place) => ({
      name: `class ${place}`,
      part: row[place],
      text: percent(row[place]),
      best: place === best,
    })),
    "Probabilities of classes",
  );
}

function rest(rows) {
  return rows.length > ROWS ? el("p", { class: "note" }, `… and ${rows.length - ROWS} more rows`) : null;
}

function times(timings, roundTrip) {
  const stages = timings.filter(([name]) => name !== "total");
  const total = timings.find(([name]) => name === "total");
  const node = el("div", { class: "output" }, el("h4", {}, "Where the time went"));
  if (stages.length) {
    const bar = stackedBar();
    bar.update(
      stages.map(([name, ms]) => ({ name: name.replace("_", " "), value: ms, text: duration(ms / 1000) })),
    );
    node.append(bar.node);
  }
  const server = total ? `${duration(total[1] / 1000)} in the server, ` : "";
  node.append(el("p", { class: "note" }, `${server}${duration(roundTrip / 1000)} as this browser saw it`));
  return node;
}

function text(document) {
  const whole = JSON.stringify(document, null, 1);
  return whole.length > 20000 ? `${whole.slice(0, 20000)}\n…` : whole;
}
