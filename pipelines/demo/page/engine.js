// The page's side of the thread that runs the network: questions out, answers back, one after the other.

class Engine {
  constructor() {
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker("/worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error === undefined) resolve(data.value);
      else reject(new Error(data.error));
    };
    this.worker.onerror = (event) => {
      const error = new Error(`the thread of the network stopped: ${event.message ?? "it could not be loaded"}`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  ask(kind, values = {}, transfer = []) {
    return new Promise((resolve, reject) => {
      this.waiting.set(++this.next, { resolve, reject });
      this.worker.postMessage({ ...values, kind, id: this.next }, transfer);
    });
  }

  close() {
    this.worker.terminate();
  }
}

const TRIAL = 128; // pixels a side of the first frame, which only shows that the backend can

/**
 * Load the model on "webgpu", "wasm" or, "auto", on the first of them that runs a frame.
 * Returns {engine, backend, threads, height, width, note}; `note` says why it is not WebGPU. Throws what the last said.
 */
export async function openEngine(choice, space) {
  const backends = choice === "auto" ? ["webgpu", "wasm"] : [choice];
  let note = "";
  for (const backend of backends) {
    const engine = new Engine();
    try {
      const about = await engine.ask("open", { backend, space, fast: choice === "auto" });
      const width = about.width ?? TRIAL;
      const height = about.height ?? TRIAL;
      const pixels = () => new Uint8ClampedArray(4 * width * height).buffer;
      await engine.ask("resize", { width, height });
      await engine.ask("background", { pixels: pixels() });
      await engine.ask("frame", { pixels: pixels(), show: "alpha" });
      return { engine, note, ...about };
    } catch (error) {
      engine.close();
      if (backend === backends.at(-1)) throw error;
      note = error.message;
    }
  }
}
