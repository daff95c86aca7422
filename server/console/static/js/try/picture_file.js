// An image file as pixels of the size that is asked for.

const MOST_BYTES = 20 * 2 ** 20;

/** RGBA bytes, and whether the image is dark on light paper; throws with a sentence. */
export async function read(file, width, height) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than 20 MiB`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no image that this browser can read`);
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  // What is transparent is empty, and so is what a narrower image leaves free.
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const [wide, high] = [bitmap.width * scale, bitmap.height * scale];
  // Made larger its pixels stay what they are, made smaller they are averaged.
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (width - wide) / 2, (height - high) / 2, wide, high);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  return { rgba, light: paperIsLight(rgba, width, height) };
}

/** True where most of the edge is bright. */
function paperIsLight(rgba, width, height) {
  let sum = 0;
  let pixels = 0;
  for (let y = 0; y < height; y += 1) {
    const step = y === 0 || y === height - 1 ? 1 : width - 1;
    for (let x = 0; x < width; x += step) {
      const place = 4 * (y * width + x);
      sum += rgba[place] + rgba[place + 1] + rgba[place + 2];
      pixels += 1;
    }
  }
  return sum / pixels / 3 > 140;
}
