// The strip above everything: all models together.

import { lineChart } from "./charts.js";
import { el, say } from "./dom.js";
import { bytes, duration, number } from "./format.js";

const TILES = [
  { title: "Throughput", of: "answered", value: (series) => `${number(series.rate("answered"))}/s` },
  { title: "Median latency", of: "p50", value: (series) => duration(series.last?.p50) },
  { title: "99th percentile", of: "p99", value: (series) => duration(series.last?.p99) },
  { title: "Failures", of: "failed", value: (series) => `${number(series.rate("failed"))}/s` },
  { title: "In flight", of: "inFlight", value: (series) => number(series.last?.inFlight) },
  { title: "Memory", of: "memory", value: (series) => bytes(series.last?.memory) },
];

export function summary(section, store) {
  const tiles = TILES.map((tile) => {
    const value = el("dd", {}, "–");
    const chart = lineChart([{ of: tile.of }], { height: 36 });
    section.append(el("div", { class: "tile" }, el("dl", {}, el("dt", {}, tile.title), value), chart.node));
    return { ...tile, node: value, chart };
  });
  store.follow(({ series }) => {
    for (const tile of tiles) {
      say(tile.node, tile.value(series.all));
      tile.chart.update(series.all.points);
    }
  });
}
