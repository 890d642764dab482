import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from compositing.memory import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else True
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(40 << 20)
    del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(kept, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's mallopt")
def test_a_layer_s_memory_is_mapped_once(root):
    found = {
        how: subprocess.run([sys.executable, "-c", SCRIPT, how], cwd=root, capture_output=True, text=True, check=True)
        for how in ("keep", "give")
    }
    (kept, few), (_, many) = (found[how].stdout.split() for how in ("keep", "give"))
    assert kept == "True"
    assert int(few) < 100 < int(many)
