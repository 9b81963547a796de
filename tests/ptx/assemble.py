"""From a declared kernel to machine code: PTX by Numba, then NVIDIA's assembler.

Both come from packages, so a machine without a GPU does it. Numba asks the current device which
architecture a device function is for; here that question is answered for it.
"""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from extensor.kernels.cuda import TARGETS, Capability, CudaKernel


def assembler() -> Path:
    """`ptxas` of the package nvidia-cuda-nvcc."""
    spec = find_spec("nvidia")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).glob("*/bin/ptxas"):
            return path
    return pytest.skip("ptxas is not installed: run `make test-ptx`")


def require_compiler() -> None:
    """Skip where numba-cuda or the assembler is missing."""
    if find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed: run `make test-ptx`", allow_module_level=True)


def architecture(target: Capability) -> str:
    """What the assembler calls a compute capability.

    >>> architecture((9, 0, "a"))
    'sm_90a'
    """
    return f"sm_{target[0]}{target[1]}{''.join(target[2:])}"


def front_end(kernel: CudaKernel, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Numba's code library of a kernel: LLVM IR, from which `ptx_of` makes PTX.

    Typing and lowering take four fifths of a compilation and do not look at the architecture, so
    they are done once a kernel; Numba itself offers only all of it together.
    """
    from numba import types
    from numba.cuda import compiler, dispatcher

    target = max(t for t in TARGETS if kernel.runs_on(t))
    device = SimpleNamespace(compute_capability=target[:2])
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: device)
    library, _ = compiler._compile_pyfunc_with_fixup(
        kernel.source(),
        types.void(*kernel.takes),
        device=False,
        abi="numba",
        cc=target,
        launch_bounds=kernel.bounds,
    )
    return library


def ptx_of(library: Any, target: Capability) -> str:
    """The PTX of a kernel for one architecture."""
    (text,) = library.get_asm_strs(cc=target)
    return str(text)


def assemble(text: str, target: Capability, folder: Path) -> Any:
    """Run the assembler; what it says of registers and spills is on its standard error."""
    source = folder / "kernel.ptx"
    source.write_text(text, encoding="utf-8")
    return subprocess.run(
        [assembler(), "-v", f"-arch={architecture(target)}", source, "-o", folder / "kernel.cubin"],
        capture_output=True,
        text=True,
        check=False,
    )
