"""No memory left, as torch and the system say it."""

import subprocess
import sys

import pytest
import torch

from facekit.errors import OutOfMemory
from facekit.training.shortage import is_shortage, memory_stage

LIMITED = """
import resource, torch
from facekit.errors import OutOfMemory
from facekit.training.shortage import memory_stage
held = torch.zeros(10)
now = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, now + 2**28))
try:
    with memory_stage("training"):
        torch.zeros(2**27)
except OutOfMemory as error:
    print(error.stage, error.held > 0, error)
"""


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
)
def test_every_way_of_saying_it_is_known(error: BaseException) -> None:
    assert is_shortage(error)
    said = r"^training ran out of memory .* GB were held, .*; choose settings that need less"
    with pytest.raises(OutOfMemory, match=said), memory_stage("training"):
        raise error


def test_other_errors_pass() -> None:
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"), memory_stage("training"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space so")
def test_a_process_that_really_has_none_left() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("training True training ran out of memory (")
