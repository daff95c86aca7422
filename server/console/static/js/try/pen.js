// Drawing on a picture: with a pointer, and with keys for those who use none.

const CELLS = 32;
// Parts of the width: handwriting as the sets of digits have it, two pixels of 8 or 28 to a stroke.
const BRUSH = { coarse: 0.08, fine: 0.04 };

/** Strokes follow the pointer; the brush suits the picture's size. */
export function pointer(canvas, picture, begun, paint) {
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * picture.width,
      ((event.clientY - box.top) / box.height) * picture.height,
    ];
  };
  const stroke = (event) => {
    const points = event.getCoalescedEvents?.() ?? [];
    for (const one of points.length ? points : [event]) {
      const [x, y] = at(one);
      picture.stroke(
        ...(last ?? [x, y]),
        x,
        y,
        Math.max(0.6, picture.width * (picture.fine > 3 ? BRUSH.coarse : BRUSH.fine)),
      );
      last = [x, y];
    }
    paint();
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    begun();
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => last && stroke(event));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A cursor that arrow keys move over the cells, each told as it is reached. */
export function keyboard(canvas, picture, { width, height }, state, tell, paint) {
  const size = picture.fine * Math.max(1, Math.ceil(Math.max(width, height) / CELLS));
  const [columns, rows] = [Math.ceil(picture.width / size), Math.ceil(picture.height / size)];
  let [column, row] = [Math.floor(columns / 2), Math.floor(rows / 2)];
  const place = () => (state.cursor = { x: column * size, y: row * size, size });
  const inked = () => picture.planes[0][row * size * picture.width + column * size] > 0.5;
  const where = () => `row ${row + 1}, column ${column + 1}, ${inked() ? "set" : "empty"}`;
  canvas.addEventListener("keydown", (event) => {
    if (event.key in MOVES) {
      const [right, down] = MOVES[event.key];
      column = Math.min(columns - 1, Math.max(0, column + right));
      row = Math.min(rows - 1, Math.max(0, row + down));
    } else if (event.key === " " || event.key === "Enter") {
      picture.toggle(column, row, size);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      canvas.dispatchEvent(new Event("clear"));
      event.preventDefault();
      return;
    } else {
      return;
    }
    event.preventDefault();
    place();
    tell(where());
    paint();
  });
  canvas.addEventListener("focus", () => {
    if (!canvas.matches(":focus-visible")) return;
    place();
    paint();
  });
  canvas.addEventListener("blur", () => {
    state.cursor = null;
    paint();
  });
}
