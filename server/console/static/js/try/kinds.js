// Which kind of field suits an input, by its datatype and shape alone. Pure.

const SIDE = { least: 4, most: 512 };
const NUMBERS = 256;
const WHOLE = /^U?INT(8|16|32|64)$/;
const FRACTIONS = new Set(["FP32", "FP64"]);

/** `{kind: "image" | "text" | "numbers" | "json", ...}`; for images also where its pixels go. */
export function kindOf({ datatype, shape }) {
  const batched = shape.length > 0 && shape[0] === -1;
  const inner = batched ? shape.slice(1) : shape;
  if (datatype === "BYTES") {
    return inner.every((size) => size === 1) ? { kind: "text", batched, inner } : { kind: "json" };
  }
  const image = imageOf(datatype, batched || shape[0] === 1 ? shape.slice(1) : shape);
  if (image) return { kind: "image", ...image };
  const elements = inner.reduce((product, size) => product * size, 1);
  if (inner.every((size) => size > 0) && elements <= NUMBERS && isNumber(datatype)) {
    return { kind: "numbers", batched, inner, elements };
  }
  return { kind: "json" };
}

function isNumber(datatype) {
  return WHOLE.test(datatype) || FRACTIONS.has(datatype) || datatype === "BOOL";
}

function imageOf(datatype, dims) {
  if (!FRACTIONS.has(datatype) && !WHOLE.test(datatype)) return null;
  const forms = [];
  if (dims.length === 3) {
    const [first, middle, last] = dims;
    if (first === 1 || first === 3)
      forms.push({ channels: first, height: middle, width: last, planar: true });
    if (last === 1 || last === 3) forms.push({ channels: last, height: first, width: middle, planar: false });
  } else if (dims.length === 2 && dims[0] === dims[1] && dims[0] >= 8) {
    forms.push({ channels: 1, height: dims[0], width: dims[1], planar: true });
  }
  return (
    forms.find(
      ({ height, width }) =>
        fits(height) && fits(width) && Math.max(height, width) <= 3 * Math.min(height, width),
    ) ?? null
  );
}

const fits = (size) => size >= SIDE.least && size <= SIDE.most;

/** The shape of one row: what is not fixed is one. */
export const oneRow = (shape) => shape.map((size) => (size === -1 ? 1 : size));
