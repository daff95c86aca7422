// What a model does now: throughput, latency, queue, batches, and where the time goes.

import { bars, lineChart, stackedBar } from "./charts.js";
import { el, say, section, show } from "./dom.js";
import { bytes, count, duration, number, percent } from "./format.js";
import { grown } from "./totals.js";

const CARDS = [
  {
    title: "Throughput",
    lines: [{ of: "answered" }, { of: "failed" }],
    big: (series) => `${number(series.rate("answered"))}/s`,
    small: (series) => [["failed", `${number(series.rate("failed"))}/s failed`]],
  },
  {
    title: "Latency",
    lines: [{ of: "p50" }, { of: "p95" }, { of: "p99" }],
    big: (series) => duration(series.last?.p50),
    small: (series) => ["p95", "p99"].map((of) => [of, `${of} ${duration(series.last?.[of])}`]),
  },
  {
    title: "In flight",
    lines: [{ of: "inFlight" }, { of: "pending" }],
    big: (series) => number(series.last?.inFlight),
    small: (series) => [
      ["pending", count(series.last?.pending ?? 0, "row")],
      ["", `${duration(queued(series))} in queue`],
    ],
  },
  {
    title: "Workers' memory",
    lines: [{ of: "memory" }],
    big: (series) => bytes(series.last?.memory),
    small: (series) => [["", gpu(series.ends?.now)]],
  },
];

function gpu(sum) {
  return sum?.gpu ? `${bytes(sum.gpu)} on GPUs` : "shared pages divided up";
}

function queued({ ends }) {
  return ends ? spent(ends.now.stages, ends.before.stages).find(({ name }) => name === "queue")?.value : NaN;
}

export function load(name, store) {
  const cards = CARDS.map(card);
  const stages = stackedBar();
  const stageNote = el("p", { class: "note" });
  const sizes = el("div");
  const outcome = el("p", { class: "note" });
  const node = section(
    "load-title",
    "Now",
    el("div", { class: "cards" }, ...cards.map((one) => one.node)),
    el(
      "div",
      { class: "halves" },
      el("div", { class: "card" }, el("h3", {}, "Where the time goes"), stageNote, stages.node),
      el("div", { class: "card" }, el("h3", {}, "Batch sizes"), outcome, sizes),
    ),
  );
  let drawn = "";
  return {
    node,
    update() {
      const series = store.series.of(name);
      for (const one of cards) one.update(series);
      const { ends } = series;
      if (!ends) return;
      drawStages(ends, stages, stageNote);
      const told = JSON.stringify(ends.now.batches);
      if (told !== drawn) sizes.replaceChildren(batchBars(ends.now.batches));
      drawn = told;
      say(outcome, batchNote(ends.now));
    },
  };
}

function card({ title, lines, big, small }) {
  const value = el("p", { class: "big" }, "–");
  const more = el("p", { class: "note keys" });
  const chart = lineChart(lines);
  return {
    node: el("div", { class: "card" }, el("h3", {}, title), value, more, chart.node),
    update(series) {
      say(value, big(series));
      small(series).forEach(([of, text], at) => {
        if (!more.children[at]) more.append(el("span", { class: of ? `key key-${of}` : "" }));
        say(more.children[at], text);
      });
      chart.update(series.points);
    },
  };
}

function drawStages({ now, before }, bar, note) {
  const recent = spent(now.stages, before.stages);
  const some = recent.some((part) => part.count > 0);
  const parts = some ? recent : spent(now.stages, {});
  const all = parts.reduce((sum, part) => sum + part.value, 0);
  show(bar.node, all > 0);
  say(
    note,
    all > 0
      ? `${duration(all)} per request, ${some ? "over the last two minutes" : "since it serves"}`
      : "Nothing was answered yet.",
  );
  bar.update(parts.map((part) => ({ ...part, text: duration(part.value) })));
}

function spent(now, before) {
  return Object.entries(now).map(([stage, { count: times, sum }]) => {
    const fresh = grown(times, before[stage]?.count);
    return {
      name: stage.replace("_", " "),
      count: fresh,
      value: fresh ? grown(sum, before[stage]?.sum) / fresh : 0,
    };
  });
}

function batchBars(batches) {
  const rows = Object.entries(batches)
    .map(([size, times]) => [Number(size), times])
    .sort((a, b) => a[0] - b[0]);
  const all = rows.reduce((sum, [, times]) => sum + times, 0);
  const most = Math.max(...rows.map(([, times]) => times), 1);
  return bars(
    rows.slice(0, 12).map(([size, times]) => ({
      name: count(size, "row"),
      part: times / most,
      text: `${number(times)} · ${percent(times / all)}`,
    })),
    "Executions by batch size",
  );
}

function batchNote({ batches, padded, rejected, codes }) {
  const said = [];
  const runs = Object.values(batches).reduce((sum, times) => sum + times, 0);
  said.push(runs ? `${count(runs, "execution")} in all` : "Nothing was executed yet.");
  if (padded) said.push(`${count(padded, "row")} of padding`);
  for (const [reason, times] of Object.entries(rejected)) said.push(`${number(times)} rejected (${reason})`);
  for (const [code, times] of Object.entries(codes)) said.push(`${number(times)} × ${code}`);
  return said.join(" · ");
}
