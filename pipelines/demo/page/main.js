// The page: buttons and files on one side, frames through the network on the other.

import { openEngine } from "./engine.js";
import { Source, isClip, openCamera, openFile, openPicture, sorted } from "./source.js";

const $ = (id) => document.getElementById(id);
const SIDES = [256, 320, 384, 512, 640, 960, 1280];
const USUAL = { webgpu: 640, wasm: 384 }; // long side to begin with: about what a laptop keeps up with
const SMALLEST = 128; // pixels a side that the export takes
const STEP = 4;
const SETTLE = 400; // milliseconds from locking the camera to the picture
const EVERYTHING = 0.9; // mean alpha from which the background is doubted
const WINDOW = 2000; // milliseconds over which frames are counted

let about, network, source, background, size, dirty;
let counting = null;
let times = [];

const view = $("view").getContext("2d");
const say = (words) => void ($("status").textContent = words);

/** Run what may fail; what went wrong stands on the page until something goes well. */
const trying = (work) => async (...given) => {
  try {
    $("error").hidden = true;
    await work(...given);
  } catch (error) {
    $("error").textContent = error.message;
    $("error").hidden = false;
  }
};

const load = trying(async () => {
  document.body.dataset.state = "loading";
  network?.engine.close();
  network = null;
  say("Loading the model…");
  try {
    about ??= await (await fetch("/about.json")).json();
    $("model").textContent = `${about.model}, onnxruntime-web ${about.runtime}`;
    network = await openEngine($("choice").value, about.space);
    const threads = `${network.threads} ${network.threads === 1 ? "thread" : "threads"}`;
    $("backend").textContent = network.backend === "webgpu" ? "WebGPU" : `WebAssembly, ${threads}`;
    $("note").textContent = network.note && `Not on WebGPU: ${network.note}.`;
    offerSides();
    await sendBackdrop();
    await fit();
  } catch (error) {
    document.body.dataset.state = "failed";
    for (const id of ["backend", "note"]) $(id).textContent = "";
    say("The model does not run here.");
    throw error;
  }
  document.body.dataset.state = "ready";
  prompt();
});

function offerSides() {
  const { width, height, backend } = network;
  if (width && height) $("long").replaceChildren(new Option(`${Math.max(width, height)}, as the model`));
  else $("long").replaceChildren(...SIDES.map((side) => new Option(side, side, false, side === USUAL[backend])));
  $("long").disabled = Boolean(width && height);
}

/** The size in which frames go through the network: the model's own, or near the source's shape. */
function wanted() {
  const long = Number($("long").value) || USUAL.wasm;
  const scale = Math.min(1, long / Math.max(source.width, source.height));
  const side = (length) => Math.max(SMALLEST, STEP * Math.round((length * scale) / STEP));
  return { width: network?.width ?? side(source.width), height: network?.height ?? side(source.height) };
}

/** Give the network the size and the empty scene that are meant now. */
async function fit() {
  times = [];
  meter.doubted = false;
  $("mirror").parentElement.hidden = source?.kind !== "camera";
  for (const id of ["view", "thumb"]) $(id).classList.toggle("mirrored", source?.kind === "camera" && $("mirror").checked);
  $("camera").textContent = source?.kind === "camera" ? "Stop camera" : "Start camera";
  $("swap").hidden = !(background && source?.kind === "picture");
  $("capture").disabled = !source || source.kind === "picture";
  $("kept").hidden = !background;
  $("empty").hidden = Boolean(source);
  if (!source) return;
  dirty = true;
  size = wanted();
  $("size").textContent = `${size.width}×${size.height}`;
  if (!network) return;
  await network.engine.ask("resize", size);
  if (background) {
    const pixels = background.draw(size.width, size.height).buffer;
    await network.engine.ask("background", { pixels }, [pixels]);
  }
}

/** One thing at a time between page and network: frames wait while files and sizes change. */
let turn = Promise.resolve();
const alone = (work) => (turn = turn.then(work, work));
const act = (work) => trying((...given) => alone(() => work(...given)));

function prompt() {
  if (!network) return;
  if (!source) say("Ready. Start the camera or open a file.");
  else if (!background) say(source.kind === "camera" ? "Now capture the background." : "Now open a picture of the empty scene.");
  else say(source.kind === "camera" ? "Live. Do not move the camera; capture again when the light changes." : "Done.");
}

async function use(next) {
  source?.close();
  if (background && (source.kind !== next.kind || !next.matches(background))) forget();
  source = next;
  $("source-name").textContent = next.words;
  await fit();
  prompt();
}

async function stop() {
  source.close();
  source = size = null;
  forget();
  view.clearRect(0, 0, view.canvas.width, view.canvas.height);
  $("source-name").textContent = "";
  for (const id of ["rate", "time", "size"]) $(id).textContent = "–";
  await fit();
  prompt();
}

function forget() {
  background = null;
  $("background-name").textContent = "";
}

async function keep(next, words) {
  if (!source.matches(next)) {
    throw new Error(
      `the background is ${next.width}x${next.height}, the source ${source.width}x${source.height}: ` +
        "another shape; take both with the same camera, unmoved and uncropped",
    );
  }
  background = next;
  $("background-name").textContent = words;
  const thumb = $("thumb").getContext("2d");
  thumb.canvas.height = Math.round((thumb.canvas.width * next.height) / next.width);
  thumb.drawImage(next.picture, 0, 0, thumb.canvas.width, thumb.canvas.height);
  await fit();
  prompt();
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const capture = trying(async () => {
  if (counting) return counting.abort();
  const { signal } = (counting = new AbortController());
  const began = source;
  $("capture").textContent = "Cancel";
  try {
    await source.lock("continuous");
    for (let left = Number($("delay").value); left > 0; left--) {
      $("count").textContent = left;
      $("count").hidden = false;
      say("Step out of the picture.");
      await wait(1000);
      if (signal.aborted || source !== began) return prompt();
    }
    const locked = await source.lock("manual");
    if (locked.length) await wait(SETTLE);
    const words = locked.length
      ? `Captured; the camera keeps its ${locked.join(", ")}.`
      : "Captured. This page cannot lock this camera: do it in its own settings if you can, and capture again.";
    await alone(() => source === began && keep(source.still(), source.kind === "camera" ? words : "Captured from the clip."));
  } finally {
    counting = null;
    $("count").hidden = true;
    $("capture").textContent = "Capture background";
  }
});

async function openBackground(file) {
  if (!source) throw new Error("start the camera or open a picture first, then its empty scene");
  const picture = await openPicture(file);
  await keep(new Source(picture, "picture", file.name), file.name);
}

const drop = act(async (files, place) => {
  if (files.length === 1) {
    if (place === "step-backdrop") return openBackdrop(files[0]);
    const isBackground = place === "step-background" || (!place && source && !background && !isClip(files[0]));
    return isBackground ? openBackground(files[0]) : use(await openFile(files[0]));
  }
  if (files.length !== 2) throw new Error(`${files.length} files were dropped; drop a picture or clip, and its empty scene`);
  const [first, second] = sorted(files);
  forget();
  await use(await openFile(first));
  await openBackground(second);
});

const swap = act(async () => {
  [source, background] = [background, source];
  $("source-name").textContent = source.words;
  await keep(background, background.words);
});

async function sendBackdrop() {
  const kind = document.querySelector("[name=backdrop]:checked").value;
  const rgb = [1, 3, 5].map((at) => parseInt($("colour").value.slice(at, at + 2), 16));
  await network?.engine.ask("backdrop", { backdrop: { kind, rgb, bitmap: kind === "picture" ? behind : null } });
  dirty = true;
}

let behind = null;
async function openBackdrop(file) {
  behind = await openPicture(file);
  $("backdrop-name").textContent = file.name;
  const choice = document.querySelector("[name=backdrop][value=picture]");
  choice.disabled = false;
  choice.checked = true;
  await sendBackdrop();
}

async function step() {
  if (!source || !size || !(source.fresh || dirty)) return;
  dirty = false;
  const pixels = source.draw(size.width, size.height);
  const show = (bytes, what) => {
    if (view.canvas.width !== size.width) view.canvas.width = size.width;
    if (view.canvas.height !== size.height) view.canvas.height = size.height;
    view.putImageData(new ImageData(bytes, size.width, size.height), 0, 0);
    Object.assign(view.canvas.dataset, { shows: what, frames: Number(view.canvas.dataset.frames ?? 0) + 1 });
  };
  if (!background || !network) return show(pixels, "source");
  const wish = $("show").value;
  const { buffer } = pixels;
  const found = await network.engine.ask("frame", { pixels: buffer, show: wish }, [buffer]);
  show(new Uint8ClampedArray(found.pixels), wish);
  meter(found);
}

function meter({ milliseconds, coverage }) {
  const now = performance.now();
  times = [...times.filter((time, i) => now - time < WINDOW || i === times.length - 1), now];
  const spread = (now - times[0]) / 1000;
  $("rate").textContent = times.length > 1 ? ((times.length - 1) / spread).toFixed(1) : "–";
  $("time").textContent = `${milliseconds.toFixed(0)} ms`;
  const doubted = coverage > EVERYTHING;
  if (doubted) say("Nearly everything is taken for a person: capture the background again, nobody in it, the camera unmoved.");
  else if (doubted !== meter.doubted) prompt();
  meter.doubted = doubted;
}

async function run() {
  for (;;) {
    await new Promise(requestAnimationFrame);
    await alone(step).catch((error) => {
      $("error").textContent = error.message;
      $("error").hidden = false;
      forget(); // rather the plain picture than the same message at every frame
      $("kept").hidden = true;
    });
  }
}

const picked = (id, work) =>
  $(id).addEventListener("change", async ({ target }) => {
    const [file] = target.files;
    target.value = ""; // so that the same file can be opened again
    if (file) await work(file);
  });

$("camera").addEventListener("click", act(async () => (source?.kind === "camera" ? stop() : use(await openCamera()))));
$("capture").addEventListener("click", capture);
$("swap").addEventListener("click", swap);
picked("source-file", act(async (file) => use(await openFile(file))));
picked("background-file", act(openBackground));
picked("backdrop-file", act(openBackdrop));
for (const choice of document.querySelectorAll("[name=backdrop]")) choice.addEventListener("change", act(sendBackdrop));
$("colour").addEventListener("input", act(async () => {
  document.querySelector("[name=backdrop][value=colour]").checked = true;
  await sendBackdrop();
}));
$("show").addEventListener("change", () => (dirty = true));
$("long").addEventListener("change", act(fit));
$("mirror").addEventListener("change", act(fit));
$("choice").addEventListener("change", () => alone(load));
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("frame").classList.add("over");
  });
}
addEventListener("dragleave", (event) => event.relatedTarget ?? $("frame").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  $("frame").classList.remove("over");
  const place = event.target.closest?.("fieldset")?.id;
  if (event.dataTransfer.files.length) await drop([...event.dataTransfer.files], place);
});

run();
alone(load);
