// Bytes to tensors and back: what happens around the network, without any of the browser's own parts.

// Twice as many steps as the steepest part of the curve needs, so that a byte survives the way to light and back.
const STEPS = 1 << 14;

/** Planes of red, green and blue from 0 to 1, of RGBA bytes. `out`: Float32Array of 3 values a pixel. */
export function toPlanes(rgba, out) {
  const count = rgba.length / 4;
  for (let i = 0, j = 0; i < count; i++, j += 4) {
    out[i] = rgba[j] / 255;
    out[count + i] = rgba[j + 1] / 255;
    out[2 * count + i] = rgba[j + 2] / 255;
  }
  return out;
}

const toLinear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const toDisplay = (light) => (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055);

/** Lays a foreground over a backdrop in the space that the network was trained in: "linear" light or "display". */
export class Mixer {
  constructor(space) {
    const curve = space === "linear" ? toLinear : (value) => value;
    const back = space === "linear" ? toDisplay : (value) => value;
    this.light = Float32Array.from({ length: STEPS + 1 }, (_, step) => curve(step / STEPS));
    this.bytes = Uint8Array.from({ length: STEPS + 1 }, (_, step) => Math.round(255 * back(step / STEPS)));
    this.ofByte = Float32Array.from({ length: 256 }, (_, value) => curve(value / 255));
  }

  /**
   * `pha`: (H * W), `fgr`: (3 * H * W), both 0 to 1. `backdrop` and `out`: RGBA bytes, of which `out` gets opaque ones.
   * Returns the mean of alpha.
   */
  mix(pha, fgr, backdrop, out) {
    const count = pha.length;
    let sum = 0;
    for (let i = 0, j = 0; i < count; i++, j += 4) {
      const alpha = pha[i];
      sum += alpha;
      for (let c = 0; c < 3; c++) {
        const back = backdrop[j + c];
        if (alpha === 0) {
          out[j + c] = back;
        } else {
          const front = this.light[Math.round(fgr[c * count + i] * STEPS)];
          const light = this.ofByte[back];
          out[j + c] = this.bytes[Math.round((light + alpha * (front - light)) * STEPS)];
        }
      }
      out[j + 3] = 255;
    }
    return sum / count;
  }
}

/** Alpha as a grey picture; returns its mean. */
export function showAlpha(pha, out) {
  let sum = 0;
  for (let i = 0, j = 0; i < pha.length; i++, j += 4) {
    sum += pha[i];
    out[j] = out[j + 1] = out[j + 2] = Math.round(255 * pha[i]);
    out[j + 3] = 255;
  }
  return sum / pha.length;
}

/** RGBA bytes of one colour, `rgb` three bytes. */
export function flat(rgb, count) {
  const out = new Uint8ClampedArray(4 * count);
  for (let j = 0; j < out.length; j += 4) out.set([...rgb, 255], j);
  return out;
}

/** A picture out of focus: three running means in each direction come close to a Gaussian (`sigma` in pixels). */
export function blurred(rgba, width, height, sigma) {
  const radius = Math.max(1, Math.round((Math.sqrt(4 * sigma * sigma + 1) - 1) / 2));
  let now = Float32Array.from(rgba);
  let next = new Float32Array(rgba.length);
  for (let turn = 0; turn < 3; turn++) {
    runningMean(now, next, height, 4 * width, width, 4, radius);
    runningMean(next, now, width, 4, height, 4 * width, radius);
  }
  return Uint8ClampedArray.from(now);
}

function runningMean(from, to, lines, lineStep, length, step, radius) {
  const clamp = (position) => Math.min(length - 1, Math.max(0, position)) * step;
  for (let line = 0; line < lines; line++) {
    for (let c = 0; c < 4; c++) {
      const start = line * lineStep + c;
      let sum = 0;
      for (let k = -radius; k <= radius; k++) sum += from[start + clamp(k)];
      for (let x = 0; x < length; x++) {
        to[start + x * step] = sum / (2 * radius + 1);
        sum += from[start + clamp(x + radius + 1)] - from[start + clamp(x - radius)];
      }
    }
  }
}
