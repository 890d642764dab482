"""Where the time goes, function by function, without a line of timing in the code that is timed."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba.core.dispatcher import Dispatcher

PACKAGES = ("compositing.", "curation.")


def self_times(work: Callable[[], object], clock: Callable[[], float]) -> dict[str, float]:
    """Run ``work`` and return seconds spent in each function of compositing and curation itself, most first.

    Every reference from one of their modules to one of their functions or compiled kernels is wrapped meanwhile;
    methods count for the function that calls them, and kernels must have been compiled before.
    """
    spent: dict[str, float] = defaultdict(float)
    inner = [0.0]

    def timed(function: FunctionType | Dispatcher) -> Callable[..., Any]:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__.lstrip('_')}"

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            inner.append(0.0)
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                whole = clock() - start
                spent[name] += whole - inner.pop()
                inner[-1] += whole

        return call

    patched: list[tuple[dict[str, Any], str, FunctionType | Dispatcher]] = []
    wrapped: dict[FunctionType | Dispatcher, Callable[..., Any]] = {}
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(PACKAGES):
            for name, value in list(vars(module).items()):
                if isinstance(value, FunctionType | Dispatcher) and value.__module__.startswith(PACKAGES):
                    patched.append((vars(module), name, value))
                    vars(module)[name] = wrapped.setdefault(value, timed(value))
    try:
        start = clock()
        work()
        whole = clock() - start
    finally:
        for namespace, name, function in patched:
            namespace[name] = function
    spent["other"] = whole - inner[0]
    return dict(sorted(spent.items(), key=lambda item: -item[1]))
