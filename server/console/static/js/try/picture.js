// Pixels to draw on: three planes of brightness from 0 to 1, finer than what the model takes. Pure.

export class Picture {
  /** `fine` pixels in each direction for each pixel of the model. */
  constructor(width, height) {
    this.fine = Math.max(width, height) <= 16 ? 6 : Math.max(width, height) <= 64 ? 3 : 1;
    this.width = width * this.fine;
    this.height = height * this.fine;
    this.planes = [0, 1, 2].map(() => new Float32Array(this.width * this.height));
  }

  clear() {
    for (const plane of this.planes) plane.fill(0);
  }

  get isEmpty() {
    return this.planes.every((plane) => plane.every((value) => value === 0));
  }

  /** A stroke with a round brush between two points, in fine pixels. */
  stroke(x0, y0, x1, y1, radius) {
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0)));
    for (let step = 0; step <= steps; step += 1) {
      this._disc(x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps, radius);
    }
  }

  _disc(x, y, radius) {
    for (
      let row = Math.max(0, Math.floor(y - radius));
      row <= Math.min(this.height - 1, y + radius);
      row += 1
    ) {
      for (
        let column = Math.max(0, Math.floor(x - radius));
        column <= Math.min(this.width - 1, x + radius);
        column += 1
      ) {
        const ink = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(column - x, row - y)));
        const place = row * this.width + column;
        for (const plane of this.planes) plane[place] = Math.max(plane[place], ink);
      }
    }
  }

  /** Fill or empty one block, `size` fine pixels wide; its value now. */
  toggle(column, row, size) {
    const value = this.planes[0][row * size * this.width + column * size] > 0.5 ? 0 : 1;
    for (let y = row * size; y < Math.min(this.height, (row + 1) * size); y += 1) {
      for (const plane of this.planes) {
        plane.fill(
          value,
          y * this.width + column * size,
          y * this.width + Math.min(this.width, (column + 1) * size),
        );
      }
    }
    return value;
  }

  /** Take RGBA bytes of just this size. */
  take(rgba) {
    for (let place = 0; place < this.width * this.height; place += 1) {
      this.planes.forEach((plane, colour) => (plane[place] = rgba[4 * place + colour] / 255));
    }
  }

  /** The box around what is drawn, `[left, top, width, height]`; everything where nothing is. */
  get box() {
    let [left, top, right, bottom] = [this.width, this.height, -1, -1];
    this.planes[0].forEach((value, place) => {
      if (value <= 0.2) return;
      const [x, y] = [place % this.width, Math.floor(place / this.width)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    });
    return right < 0 ? [0, 0, this.width, this.height] : [left, top, right - left + 1, bottom - top + 1];
  }

  /**
   * The planes as `width` x `height` pixels, each the mean of what it covers. With `margin` (a part
   * of the whole) what is drawn is moved to the middle and made to fill all but that.
   */
  scaled(width, height, margin = null) {
    const [left, top, scaleX, scaleY] =
      margin === null
        ? [0, 0, this.width / width, this.height / height]
        : this._fitted(width, height, margin);
    return this.planes.map((plane) => this._sampled(plane, width, height, left, top, scaleX, scaleY));
  }

  _fitted(width, height, margin) {
    const [x, y, wide, high] = this.box;
    const scale = Math.max(wide / (width * (1 - margin)), high / (height * (1 - margin)));
    return [x + wide / 2 - (width / 2) * scale, y + high / 2 - (height / 2) * scale, scale, scale];
  }

  _sampled(plane, width, height, left, top, scaleX, scaleY) {
    const tapsX = Math.max(1, Math.ceil(scaleX) * 2);
    const tapsY = Math.max(1, Math.ceil(scaleY) * 2);
    return Float32Array.from({ length: width * height }, (_, place) => {
      const [column, row] = [place % width, Math.floor(place / width)];
      let sum = 0;
      for (let j = 0; j < tapsY; j += 1) {
        const y = Math.floor(top + (row + (j + 0.5) / tapsY) * scaleY);
        if (y < 0 || y >= this.height) continue;
        for (let i = 0; i < tapsX; i += 1) {
          const x = Math.floor(left + (column + (i + 0.5) / tapsX) * scaleX);
          if (x >= 0 && x < this.width) sum += plane[y * this.width + x];
        }
      }
      return sum / (tapsX * tapsY);
    });
  }
}

const LUMINANCE = [0.299, 0.587, 0.114];

/** Three planes as one of brightness. */
export const grey = (planes) =>
  planes[0].map((_, place) => LUMINANCE.reduce((sum, part, colour) => sum + part * planes[colour][place], 0));

/** Planes as numbers in the order that a tensor has; `most` is what full brightness is. */
export function numbers(planes, { channels, planar }, most, whole) {
  const used = channels === 1 ? [grey(planes)] : planes;
  const value = (plane, place) => {
    const scaled = plane[place] * most;
    return whole ? Math.round(scaled) : Math.round(scaled * 1e5) / 1e5;
  };
  const data = [];
  if (planar) {
    for (const plane of used) plane.forEach((_, place) => data.push(value(plane, place)));
  } else {
    used[0].forEach((_, place) => used.forEach((plane) => data.push(value(plane, place))));
  }
  return data;
}
