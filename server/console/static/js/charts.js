// Small charts as SVG: lines over time, a stacked bar, and bars by size.

import { el, say, svg } from "./dom.js";

const WIDTH = 240;
const LEAST = 12;

/**
 * Lines of the last points. `lines` are `{of, name}`, `of` a key of the points. The text beside it
 * says what matters, so that the drawing itself is left out for screen readers.
 */
export function lineChart(lines, { height = 56, filled = true } = {}) {
  const area = filled ? svg("path", { class: "area" }) : null;
  const paths = lines.map(({ of }) => svg("path", { class: `line line-${of}` }));
  const node = svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    ...paths,
  );
  return {
    node,
    update(points) {
      const kept = Math.max(LEAST, points.length);
      const values = points.flatMap((point) =>
        lines.map(({ of }) => point[of]).filter((value) => value >= 0),
      );
      const most = Math.max(...values, 1e-9) * 1.08;
      lines.forEach(({ of }, place) => {
        const drawn = path(points, of, most, height, kept);
        paths[place].setAttribute("d", drawn.line);
        if (place === 0) area?.setAttribute("d", drawn.area);
      });
    },
  };
}

function path(points, of, most, height, kept) {
  const step = WIDTH / (kept - 1);
  const first = kept - points.length;
  let line = "";
  let area = "";
  let start = null;
  let x = 0;
  points.forEach((point, place) => {
    const value = point[of];
    if (!(value >= 0)) {
      if (start !== null) area += `L${x} ${height}L${start} ${height}Z`;
      start = null;
      return;
    }
    x = ((first + place) * step).toFixed(2);
    const y = (height - 1.5 - (value / most) * (height - 4)).toFixed(2);
    const command = start === null ? "M" : "L";
    start ??= x;
    line += `${command}${x} ${y}`;
    area += `${command}${x} ${y}`;
  });
  if (start !== null) area += `L${x} ${height}L${start} ${height}Z`;
  return { line, area };
}

/** One bar of parts side by side, with its key below; parts are `{name, value, text}`. */
export function stackedBar() {
  const bar = el("div", { class: "stack", "aria-hidden": "true" });
  const key = el("dl", { class: "stack-key" });
  return {
    node: el("div", {}, bar, key),
    update(parts) {
      const all = parts.reduce((sum, part) => sum + part.value, 0) || 1;
      while (bar.children.length < parts.length) {
        const place = bar.children.length;
        const part = el("span", { class: "part" });
        const swatch = el("i", { class: "swatch" });
        for (const one of [part, swatch]) one.style.setProperty("--tint", `var(--part-${place})`);
        bar.append(part);
        key.append(el("div", {}, el("dt", {}, swatch, el("span")), el("dd")));
      }
      parts.forEach((part, place) => {
        bar.children[place].style.setProperty("flex-grow", (part.value / all).toFixed(4));
        const line = key.children[place];
        say(line.querySelector("span"), part.name);
        say(line.querySelector("dd"), part.text);
      });
    },
  };
}

/** Bars from left to right or top to bottom; rows are `{name, part, text, best}`, part up to 1. */
export function bars(rows, label) {
  return el(
    "ol",
    { class: "bars", "aria-label": label },
    ...rows.map(({ name, part, text, best }) => {
      const fill = el("span", { class: "bar-fill" });
      fill.style.setProperty("inline-size", `${(Math.min(1, Math.max(0, part)) * 100).toFixed(2)}%`);
      return el(
        "li",
        { class: best ? "best" : null },
        el("span", { class: "bar-name" }, name),
        el("span", { class: "bar-track", "aria-hidden": "true" }, fill),
        el("span", { class: "bar-text" }, text),
      );
    }),
  );
}
