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

const TRIAL = { width: 256, height: 192 };
const AGREE = 0.01; // mean difference of alpha from which two backends do not compute the same

/**
 * Load the model on "webgpu", "wasm" or, "auto", on WebGPU where that can be trusted.
 *
 * A driver or a kernel that computes wrongly says nothing, so WebGPU has to give the alpha that WebAssembly gives for a
 * picture made for the purpose. Returns {engine, backend, threads, height, width, note}; `note` says why it is not
 * WebGPU. Throws what the backend said, or by how much it was off where it was asked for by name.
 */
export async function openEngine(choice, space) {
  if (choice === "wasm") return opened("wasm", choice, space);
  let fast, sure;
  try {
    fast = await opened("webgpu", choice, space);
    sure = await opened("wasm", choice, space);
    const off = difference(fast.alpha, sure.alpha);
    if (!(off <= AGREE)) {
      throw new Error(`WebGPU gives another alpha here than WebAssembly, off by ${off.toFixed(2)} in the mean`);
    }
    sure.engine.close();
    return fast;
  } catch (error) {
    fast?.engine.close();
    if (choice === "auto") return { ...(sure ?? (await opened("wasm", choice, space))), note: error.message };
    sure?.engine.close();
    throw new Error(`${error.message}; choose something else to run on`);
  }
}

async function opened(backend, choice, space) {
  const engine = new Engine();
  try {
    const about = await engine.ask("open", { backend, space, fast: choice === "auto" });
    const size = { width: about.width ?? TRIAL.width, height: about.height ?? TRIAL.height };
    return { engine, note: "", alpha: await engine.ask("trial", size), ...about };
  } catch (error) {
    engine.close();
    throw error;
  }
}

function difference(some, others) {
  let sum = 0;
  for (let i = 0; i < some.length; i++) sum += Math.abs(some[i] - others[i]);
  return sum / some.length;
}
