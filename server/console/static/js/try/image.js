// The field for an image: drawn with the pointer or the keyboard, or read from a file.

import { el, say } from "../dom.js";
import { oneRow } from "./kinds.js";
import { Picture, grey, numbers } from "./picture.js";
import { keyboard, pointer } from "./pen.js";
import { read } from "./picture_file.js";

const PREVIEW = 84;

export function imageField(spec, kind) {
  const picture = new Picture(kind.width, kind.height);
  const colour = kind.channels === 3;
  const canvas = el("canvas", {
    class: "paper",
    width: picture.width,
    height: picture.height,
    tabindex: 0,
    role: "application",
    "aria-label": `${spec.name}: draw here. Arrow keys move, space sets or clears a pixel, Delete clears all.`,
  });
  const seen = el("canvas", { class: "seen", width: kind.width, height: kind.height, "aria-hidden": "true" });
  seen.style.setProperty("inline-size", `${Math.round(PREVIEW * Math.min(1, kind.width / kind.height))}px`);
  const told = el("p", { class: "unseen", role: "status" });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const options = settings(spec, kind, () => paint());
  const file = el("input", {
    type: "file",
    accept: "image/*",
    class: "unseen-file",
    id: `file-${spec.name}`,
  });
  const state = { cursor: null };

  function planes() {
    const scaled = picture.scaled(kind.width, kind.height, options.margin());
    return options.inverted() ? scaled.map((plane) => plane.map((value) => 1 - value)) : scaled;
  }

  function paint() {
    draw(canvas, picture.planes, colour, state.cursor);
    draw(seen, planes(), colour, null);
  }

  async function take(chosen) {
    problem.hidden = true;
    try {
      const { rgba, light } = await read(chosen, picture.width, picture.height);
      picture.take(rgba);
      options.fromFile(light && !colour);
      say(told, `${chosen.name} is loaded`);
    } catch (error) {
      say(problem, error.message);
      problem.hidden = false;
    }
    paint();
  }

  file.addEventListener("change", () => file.files[0] && take(file.files[0]));
  pointer(canvas, picture, () => options.drawn(), paint);
  keyboard(canvas, picture, kind, state, (text) => say(told, text), paint);
  const clear = () => {
    picture.clear();
    options.drawn();
    file.value = "";
    say(told, "cleared");
    paint();
  };
  canvas.addEventListener("clear", clear);
  const node = el(
    "div",
    { class: "image-field" },
    el("div", { class: "paper-frame" }, canvas, el("p", { class: "note" }, "Draw, or drop an image.")),
    el(
      "div",
      { class: "image-side" },
      el("p", { class: "note" }, "What the model gets"),
      seen,
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "button", on: { click: clear } }, "Clear"),
        file,
        el("label", { class: "button", for: file.id }, "Choose a file"),
      ),
      options.node,
      told,
      problem,
    ),
  );
  dropped(node, take);
  paint();
  return {
    node,
    read: () => ({
      name: spec.name,
      datatype: spec.datatype,
      shape: oneRow(spec.shape),
      data: numbers(planes(), kind, options.most(), spec.datatype.includes("INT")),
    }),
  };
}

function settings(spec, kind, changed) {
  const box = (text, checked) => {
    const input = el("input", { type: "checkbox", checked, on: { change: changed } });
    return { input, node: el("label", { class: "check" }, input, text) };
  };
  const fit = box("Centre what is drawn", kind.channels === 1);
  const invert = box("Invert", false);
  const whole = spec.datatype.includes("INT");
  const range = el(
    "select",
    { id: `range-${spec.name}`, on: { change: changed } },
    el("option", { value: 1, selected: !whole }, "0 to 1"),
    el("option", { value: 255, selected: whole }, "0 to 255"),
  );
  return {
    node: el(
      "div",
      { class: "options" },
      fit.node,
      invert.node,
      el("label", { class: "check", for: range.id }, "Values"),
      range,
    ),
    margin: () => (fit.input.checked ? (Math.min(kind.width, kind.height) <= 16 ? 0 : 8 / 28) : null),
    inverted: () => invert.input.checked,
    most: () => Number(range.value),
    fromFile(light) {
      fit.input.checked = false;
      invert.input.checked = light;
    },
    drawn() {
      invert.input.checked = false;
    },
  };
}

function draw(canvas, planes, colour, cursor) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const shown = colour ? planes : Array(3).fill(grey(planes));
  for (let place = 0; place < canvas.width * canvas.height; place += 1) {
    shown.forEach((plane, channel) => (image.data[4 * place + channel] = plane[place] * 255));
    image.data[4 * place + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  if (cursor) {
    context.strokeStyle = "#f2a93b";
    context.lineWidth = Math.max(1, canvas.width / 96);
    context.strokeRect(cursor.x + 0.5, cursor.y + 0.5, cursor.size - 1, cursor.size - 1);
  }
}

function dropped(node, take) {
  const over = (event) => {
    event.preventDefault();
    node.classList.add("over");
  };
  node.addEventListener("dragenter", over);
  node.addEventListener("dragover", over);
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}
