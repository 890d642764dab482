// What is matted: the camera, a clip or a picture. Each can be drawn at any size, what sticks out cut off evenly.

const LOCKS = { exposureMode: "exposure", whiteBalanceMode: "white balance", focusMode: "focus" };
const BELONGS = 0.02; // shapes that differ by more are not of one camera

/** Draw a picture over a whole context, as large as covers it, and return the pixels as RGBA bytes. */
function drawn(picture, width, height, context) {
  const [w, h] = sides(picture);
  const scale = Math.max(width / w, height / h);
  context.canvas.width = width;
  context.canvas.height = height;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (width - w * scale) / 2, (height - h * scale) / 2, w * scale, h * scale);
  return context.getImageData(0, 0, width, height).data;
}

const sides = (picture) => [picture.videoWidth ?? picture.width, picture.videoHeight ?? picture.height];
const context2d = () => document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** A picture, or a video element that plays. */
export class Source {
  constructor(picture, kind, words) {
    this.picture = picture;
    this.kind = kind; // "camera", "clip" or "picture"
    this.words = words;
    this.context = context2d();
    this.shown = null;
  }

  get width() {
    return sides(this.picture)[0];
  }

  get height() {
    return sides(this.picture)[1];
  }

  /** Whether there is another frame than the one drawn last. */
  get fresh() {
    return this.kind === "picture" ? this.shown === null : this.picture.currentTime !== this.shown;
  }

  draw(width, height) {
    this.shown = this.picture.currentTime ?? 0;
    return drawn(this.picture, width, height, this.context);
  }

  /** Keep what is seen now, at full size. */
  still() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.width, this.height];
    canvas.getContext("2d").drawImage(this.picture, 0, 0);
    return new Source(canvas, "picture", this.words);
  }

  /** Whether a picture can be the empty scene of this one: the same shape. */
  matches(other) {
    return Math.abs((this.width * other.height) / (this.height * other.width) - 1) <= BELONGS;
  }

  /** Ask the camera to keep ("manual") or to follow ("continuous") the light; returns what it agreed to keep. */
  async lock(mode) {
    const track = this.picture.srcObject?.getVideoTracks()[0];
    const can = track?.getCapabilities?.() ?? {};
    const names = Object.keys(LOCKS).filter((name) => can[name]?.includes(mode));
    const kept = [];
    for (const name of names) {
      try {
        await track.applyConstraints({ advanced: [{ [name]: mode }] });
        if (track.getSettings()[name] === mode) kept.push(LOCKS[name]);
      } catch {
        // A camera may refuse what it said it can: then it is not locked, and the page says so.
      }
    }
    return kept;
  }

  close() {
    this.picture.srcObject?.getTracks().forEach((track) => track.stop());
    if (this.picture.src?.startsWith("blob:")) URL.revokeObjectURL(this.picture.src);
    this.picture.close?.();
  }
}

async function playing(video) {
  video.muted = true;
  video.loop = true;
  video.playsInline = true;
  await video.play();
  return video;
}

export async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("this browser gives pages no camera; open files instead");
  const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    const why = {
      NotAllowedError: "the browser may not use the camera; allow it beside the address, or open files instead",
      NotFoundError: "no camera was found; plug one in, or open files instead",
      NotReadableError: "the camera is busy; close what else uses it, or open files instead",
    };
    throw new Error(why[error.name] ?? `the camera cannot be used (${error.message || error.name})`);
  }
  const video = document.createElement("video");
  video.srcObject = stream;
  return new Source(await playing(video), "camera", stream.getVideoTracks()[0].label || "camera");
}

/** A file as a source. Throws an error that names the file where the browser cannot read it. */
export async function openFile(file) {
  if (isClip(file)) {
    const video = document.createElement("video");
    video.src = URL.createObjectURL(file);
    try {
      return new Source(await playing(video), "clip", file.name);
    } catch {
      URL.revokeObjectURL(video.src);
      throw new Error(`${file.name}: this browser cannot play it; H.264 in .mp4 and VP9 in .webm are safe`);
    }
  }
  return new Source(await openPicture(file), "picture", file.name);
}

export async function openPicture(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name}: this browser cannot read it as a picture; save it as JPEG or PNG`);
  }
}

export const isClip = (file) => file.type.startsWith("video/");

/** Which of two dropped files shows the empty scene: a clip never does, then its name says so, then the second. */
export function sorted(files) {
  const empty = (file) => (isClip(file) ? -1 : 0) + (/back|bgr?|empty|plate|clean/i.test(file.name) ? 1 : 0);
  const [first, second] = files;
  return empty(first) > empty(second) ? [second, first] : [first, second];
}
