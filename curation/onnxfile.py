"""ONNX files, which come from anywhere: opened and run with bounds on what their program may take."""

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_SECONDS = 600.0
"""For one run: an ONNX file may hold a loop that never ends."""
MOST_BYTES = 6 << 30
"""Of memory that the files opened by a process may take together: a file of 100 bytes may ask for any."""


def open_onnx(path: Path, provider: str = "CPUExecutionProvider") -> Any:
    """Open an ONNX file on one thread, so that it gives the same numbers whatever else the machine does.

    Tensors outside the file are read by ONNX Runtime from the file's own folder only; operators that it does not know
    are refused, for none are ever registered. Raises ValueError where it cannot be run.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and told once
    if provider == "CPUExecutionProvider":
        _bound_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=[provider])
    except Exception as error:  # the runtime's own exceptions have no common base
        raise ValueError(f"{path} is not an ONNX model that can be run: {error}") from error


@cache
def _bound_memory() -> None:
    """Register, once a process, the memory that all files share."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": MOST_BYTES, "arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(memory, arena)


def run_onnx(session: Any, given: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None) -> list[Any]:
    """Run a session. Raises ValueError where the model fails, asks for too much memory or does not end in time."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    late = threading.Event()

    def stop() -> None:
        late.set()
        options.terminate = True

    timer = threading.Timer(MOST_SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        return [np.asarray(found) for found in session.run(outputs, dict(given), options)]
    except Exception as error:  # as in open_onnx
        if late.is_set():
            raise ValueError(f"the model does not end within {MOST_SECONDS:g} s; it is not one to use") from error
        raise ValueError(f"the model cannot be run: {error}") from error
    finally:
        timer.cancel()
