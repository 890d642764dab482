"""What a person does with the demo's page, the pictures they show it, and what must come out."""

import base64
import io
import json
import time

import cv2
import numpy as np
from PIL import Image

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from curation.identity import rng
from tests.pipelines.demo.conftest import FLOOR, GAIN

HEIGHT, WIDTH = 192, 320
PERSON = (slice(60, 150), slice(120, 200))
RED, BLUE = (210, 40, 30), (10, 60, 200)
PATIENCE = 90
VIEW = "document.getElementById('view')"


def room(number=0):
    """Colours far from the person's, smooth enough that a resized picture is still the same."""
    draws = rng(3, "demo room", number)
    image = np.full((HEIGHT, WIDTH, 3), (150, 160, 140), np.uint8)
    for _ in range(12):
        x, y = int(draws.integers(0, WIDTH)), int(draws.integers(0, HEIGHT))
        grey = tuple(int(v) for v in draws.integers(140, 200, 3))
        cv2.circle(image, (x, y), int(draws.integers(10, 40)), grey, -1)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 3), np.uint8)


def someone():
    image = room()
    image[PERSON] = RED
    return image


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def planes(image):
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def expected(src, bgr, backdrop, space="display"):
    """What the difference network and the equation give, in bytes."""
    alpha = np.clip(GAIN * (np.abs(src / 255.0 - bgr / 255.0).max(axis=2)) - FLOOR, 0, 1).astype(np.float32)
    behind = np.broadcast_to(np.asarray(backdrop, np.uint8), src.shape)
    mixed = composite_in(space, bytes_to_linear(src), alpha, bytes_to_linear(np.ascontiguousarray(behind)))
    return to_bytes(to_display(mixed)), alpha


class Page:
    """The page as a person uses it."""

    def __init__(self, window):
        self.window = window

    def open(self, url):
        self.window.get(url)
        self.until("document.body.dataset.state !== 'loading'")
        return self

    def ask(self, expression):
        return self.window.execute_script(f"return {expression}")

    def text(self, name):
        return self.ask(f"document.getElementById('{name}').textContent")

    def until(self, expression):
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            assert time.monotonic() < end, (
                f"never: {expression}; {self.text('status')} {self.text('error')} {self.ask(VIEW + '.dataset.shows')}"
            )
            time.sleep(0.1)

    def click(self, selector):
        self.window.execute_script(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, name, value):
        self.window.execute_script(
            "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
            "for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}))",
            name,
            value,
        )

    def drop(self, files, target="frame"):
        """Drop files, (name, type, bytes) each, as a person does from a folder."""
        given = [(name, kind, base64.b64encode(content).decode()) for name, kind, content in files]
        self.window.execute_script(
            """
            const data = new DataTransfer();
            for (const [name, type, text] of arguments[0]) {
                const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                data.items.add(new File([bytes], name, {type}));
            }
            const options = {dataTransfer: data, bubbles: true, cancelable: true};
            const place = document.getElementById(arguments[1]);
            for (const kind of ["dragenter", "dragover", "drop"]) place.dispatchEvent(new DragEvent(kind, options));
            """,
            given,
            target,
        )

    def shows(self, what):
        """Wait for a frame that was begun from now on, and return it: (H, W, 3) uint8."""
        self.until(f"{VIEW}.dataset.shows === '{what}'")
        return self.picture()

    def picture(self):
        data = self.ask(f"{VIEW}.toDataURL('image/png')")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))).convert("RGB"))

    def after(self, frames=2):
        """Let so many more frames come out."""
        count = int(self.ask(f"{VIEW}.dataset.frames ?? 0"))
        self.until(f"Number({VIEW}.dataset.frames ?? 0) >= {count + frames}")
        return self.picture()

    def error(self):
        self.until("!document.getElementById('error').hidden")
        return self.text("error")


def wait_for(check, words):
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, words
        time.sleep(0.1)
