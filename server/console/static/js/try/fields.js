// The fields of the form: one for each input of a signature, by its kind.

import { el } from "../dom.js";
import { imageField } from "./image.js";
import { kindOf, oneRow } from "./kinds.js";

/** A field as `{node, read}`; `read` gives the tensor as the protocol has it, or throws a sentence. */
export function field(spec) {
  const kind = kindOf(spec);
  const made = MAKERS[kind.kind](spec, kind);
  const legend = el(
    "legend",
    {},
    el("span", {}, spec.name),
    el("code", {}, `${spec.datatype} [${spec.shape.join(", ")}]`),
  );
  return { node: el("fieldset", { class: "input" }, legend, made.node), read: made.read };
}

const MAKERS = { image: imageField, text: textField, numbers: numbersField, json: jsonField };

function area(spec, note, properties) {
  const id = `input-${spec.name}`;
  const input = el("textarea", {
    id,
    spellcheck: "false",
    "aria-describedby": `${id}-note`,
    "aria-label": spec.name,
    ...properties,
  });
  return {
    input,
    node: el("div", { class: "field" }, input, el("p", { class: "note", id: `${id}-note` }, note)),
  };
}

function textField(spec, { batched, inner }) {
  const note = batched ? "One row per line." : "One text.";
  const { input, node } = area(spec, note, { rows: 3, spellcheck: "true" });
  return {
    node,
    read() {
      const data = batched ? input.value.split("\n").filter((line) => line) : [input.value];
      if (!data.length) throw new Error(`${spec.name}: type some text`);
      return {
        name: spec.name,
        datatype: spec.datatype,
        shape: batched ? [data.length, ...inner] : spec.shape,
        data,
      };
    },
  };
}

function numbersField(spec, { batched, inner, elements }) {
  const what = elements === 1 ? "One number" : `${elements} numbers`;
  const start = Array(elements)
    .fill(spec.datatype === "BOOL" ? "false" : "0")
    .join(" ");
  const { input, node } = area(spec, `${what}${batched ? " per line; each line is a row" : ""}.`, {
    rows: 2,
    value: start,
    class: "mono",
  });
  return {
    node,
    read() {
      const lines = input.value.split("\n").filter((line) => line.trim());
      const rows = (batched ? lines : [input.value]).map((line) =>
        line
          .split(/[\s,;]+/)
          .filter(Boolean)
          .map((word) => parsed(spec, word)),
      );
      if (!rows.length || rows.some((row) => row.length !== elements)) {
        throw new Error(`${spec.name}: expected ${what.toLowerCase()}${batched ? " in each line" : ""}`);
      }
      return {
        name: spec.name,
        datatype: spec.datatype,
        shape: batched ? [rows.length, ...inner] : spec.shape,
        data: rows.flat(),
      };
    },
  };
}

function parsed(spec, word) {
  if (spec.datatype === "BOOL") {
    if (["true", "1"].includes(word)) return true;
    if (["false", "0"].includes(word)) return false;
  } else if (word !== "" && Number.isFinite(Number(word))) {
    return Number(word);
  }
  throw new Error(
    `${spec.name}: '${word.slice(0, 40)}' is no ${spec.datatype === "BOOL" ? "true or false" : "number"}`,
  );
}

function jsonField(spec) {
  const shape = oneRow(spec.shape);
  const elements = shape.reduce((product, size) => product * size, 1);
  const filler = spec.datatype === "BYTES" ? "" : spec.datatype === "BOOL" ? false : 0;
  const data = elements <= 1024 ? Array(elements).fill(filler) : [];
  const value = `{\n  "shape": ${JSON.stringify(shape)},\n  "data": ${JSON.stringify(data)}\n}`;
  const { input, node } = area(spec, "The shape and the data as JSON.", { rows: 6, value, class: "mono" });
  return {
    node,
    read() {
      try {
        const { shape: given, data: numbers } = JSON.parse(input.value);
        return { name: spec.name, datatype: spec.datatype, shape: given, data: numbers };
      } catch (error) {
        throw new Error(`${spec.name}: ${error.message}`);
      }
    },
  };
}
