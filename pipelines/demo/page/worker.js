// The network, in a thread of its own: the page stays awake while a frame is computed.

import { Mixer, blurred, flat, showAlpha, toPlanes } from "./compose.js";

const BLUR = 0.02; // standard deviation, share of the long side, as `cleanplate matte --over blur`
const MOST_THREADS = 8;
// In its usual layout, NHWC, onnxruntime-web 1.30.0 gets a convolution of 6 channels wrong (of 3 and 12 it does not), and
// source and background together are 6: alpha was off by 0.04 in the mean, in NCHW by rounding.
const PROVIDERS = { wasm: "wasm", webgpu: { name: "webgpu", preferredLayout: "NCHW" } };

let ort, session, mixer, threads;
let size = null; // {width, height, src, bgr, background, backdrop, out}
let behind = { kind: "blur" };

const answers = { open, trial, resize, background, backdrop, frame };

onmessage = async ({ data }) => {
  try {
    const [value, transfer = []] = (await answers[data.kind](data)) ?? [];
    postMessage({ id: data.id, value }, transfer);
  } catch (error) {
    postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
};

async function open({ backend, space, fast }) {
  if (backend === "webgpu") {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) throw new Error("this browser offers no WebGPU here");
    if (fast && adapter.info?.isFallbackAdapter) throw new Error("WebGPU is only emulated here, which is slower");
  }
  ort = await import(`/runtime/ort.${backend}.min.mjs`);
  threads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = new URL("/runtime/", self.location.href).href;
  ort.env.wasm.numThreads = threads;
  const answer = await fetch("/model.onnx");
  if (!answer.ok) throw new Error(`the model cannot be had (${answer.status}): is it still there? Start the demo again`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  try {
    session = await ort.InferenceSession.create(bytes, { executionProviders: [PROVIDERS[backend]], logSeverityLevel: 3 });
  } catch (error) {
    throw new Error(`the model cannot be run: ${error.message ?? error}`);
  }
  mixer = new Mixer(space);
  return [{ backend, threads, ...signature() }];
}

/** What the model takes; a number is fixed, null is free. Says what is wrong with a model of another kind. */
function signature() {
  const inputs = Object.fromEntries(session.inputMetadata.map((input) => [input.name, input]));
  const outputs = session.outputNames;
  const needed = ["src", "bgr"].every((name) => inputs[name]) && ["pha", "fgr"].every((name) => outputs.includes(name));
  if (!needed || session.inputNames.length !== 2) {
    throw new Error(
      `the model goes from ${session.inputNames.join(", ")} to ${outputs.join(", ")}; ` +
        "this page needs src, bgr to pha, fgr, as 'dvc repro export' makes it",
    );
  }
  for (const { name, type, shape } of Object.values(inputs)) {
    const fits = shape.length === 4 && [1, 3].every((value, i) => typeof shape[i] === "string" || shape[i] === value);
    if (type !== "float32" || !fits) {
      throw new Error(`the model's ${name} is ${type} (${shape.join(", ")}); this page gives float32 (1, 3, H, W)`);
    }
  }
  const [height, width] = inputs.src.shape.slice(2).map((side) => (typeof side === "number" && side > 0 ? side : null));
  return { height, width };
}

function resize({ width, height }) {
  const count = width * height;
  size = {
    width,
    height,
    src: new Float32Array(3 * count),
    bgr: new Float32Array(3 * count),
    background: null,
    backdrop: null,
  };
}

function background({ pixels }) {
  size.background = new Uint8ClampedArray(pixels);
  toPlanes(size.background, size.bgr);
  size.backdrop = null;
}

function backdrop(given) {
  behind = given.backdrop;
  if (size) size.backdrop = null;
}

async function run(src, bgr, width, height) {
  const tensor = (values) => new ort.Tensor("float32", values, [1, 3, height, width]);
  const found = await session.run({ src: tensor(src), bgr: tensor(bgr) }, ["pha", "fgr"]);
  const [pha, fgr] = [await found.pha.getData(), await found.fgr.getData()];
  if (pha.length !== width * height || fgr.length !== 3 * width * height) {
    throw new Error(`the model gave alpha (${found.pha.dims.join(", ")}) for a frame of ${width}x${height}`);
  }
  return { pha, fgr };
}

/** Alpha of a picture made for the purpose, the same each time: whether this backend can, and what others must give. */
async function trial({ width, height }) {
  const [bgr, src] = [new Float32Array(3 * width * height), new Float32Array(3 * width * height)];
  for (let i = 0; i < src.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width) % height];
    bgr[i] = 0.5 + 0.3 * Math.sin(x / 9 + i / src.length) * Math.cos(y / 13) + (0.1 * ((i * 2654435761) % 4096)) / 4096;
    const inside = Math.hypot(x / width - 0.5, y / height - 0.5) < 0.3;
    src[i] = inside ? 0.2 + 0.5 * ((x >> 3) & 1) : bgr[i];
  }
  const { pha } = await run(src, bgr, width, height);
  return [pha];
}

/** One frame: RGBA bytes in, RGBA bytes out, and how long the network took. */
async function frame({ pixels, show }) {
  const bytes = new Uint8ClampedArray(pixels);
  toPlanes(bytes, size.src);
  const began = performance.now();
  const { pha, fgr } = await run(size.src, size.bgr, size.width, size.height);
  const milliseconds = performance.now() - began;
  const coverage = show === "alpha" ? showAlpha(pha, bytes) : mixer.mix(pha, fgr, backdropPixels(), bytes);
  if (!Number.isFinite(coverage)) throw new Error("the model gave no numbers (NaN); try 'Runs on: WebAssembly'");
  return [{ pixels: bytes.buffer, milliseconds, coverage }, [bytes.buffer]];
}

function backdropPixels() {
  const { width, height } = size;
  if (!size.backdrop) {
    if (behind.kind === "colour") size.backdrop = flat(behind.rgb, width * height);
    else if (behind.kind === "picture") size.backdrop = covering(behind.bitmap, width, height);
    else size.backdrop = blurred(size.background, width, height, BLUR * Math.max(width, height));
  }
  return size.backdrop;
}

function covering(bitmap, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d");
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  return context.getImageData(0, 0, width, height).data;
}
