"""Benchmarks on a GPU: each beside the bandwidth or the products of the same run, and PyTorch.

Times are of the GPU: events around a batch of calls, so the host may run ahead; products and steps
are captured in a CUDA graph on both sides. The limit of a memory-bound case is the time that its
bytes take at the bandwidth of a large copy.
"""

import statistics
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

import extensor as ex
from extensor.backend import cupy
from extensor.bench.timing import Row
from extensor.recipe import get

SIZE = 1 << 28
"""Elements of the memory-bound cases: far beyond the cache."""
RECIPES = ("fp32", "nvfp4-grad", "mxfp4-sr")


def device_seconds(run: Callable[[], Any], calls: int = 10, rounds: int = 7) -> float:
    """The median over rounds of the GPU's time for one of ``calls`` calls."""
    library = cupy()
    begin, end = library.cuda.Event(), library.cuda.Event()
    run()
    taken: list[float] = []
    for _ in range(rounds):
        begin.record()
        for _ in range(calls):
            run()
        end.record()
        end.synchronize()
        taken.append(float(library.cuda.get_elapsed_time(begin, end)) / 1e3 / calls)
    return statistics.median(taken)


def copy_bandwidth() -> float:
    """Bytes a second, read and written, of a copy of 2 GiB."""
    library = cupy()
    x = library.ones(1 << 29, np.float32)
    y = library.empty_like(x)
    return 2.0 * int(x.nbytes) / device_seconds(lambda: library.copyto(y, x))


def _bound(case: str, run: Callable[[], Any], traffic: int, bandwidth: float) -> Row:
    seconds, limit = device_seconds(run), traffic / bandwidth
    return Row(case, seconds, limit, limit / seconds)


def quantize(size: int = SIZE) -> list[Row]:
    """Packed quantization from float32 and bfloat16, nearest, stochastic and rotated."""
    bandwidth = copy_bandwidth()
    x = ex.asarray(cupy().random.standard_normal(size, np.float32).reshape(-1, 4096))
    half = x.to("bfloat16")
    stochastic = ex.Quantizer(ex.mxfp4, rounding="stochastic")
    rotated = ex.Quantizer(ex.mxfp4, hadamard=32)
    cases: list[tuple[str, ex.ExTensor, Any, int, Any]] = [
        ("mxfp4 from float32", x, ex.mxfp4, 1, None),
        ("mxfp4 from bfloat16", half, ex.mxfp4, 1, None),
        ("mxfp4 stochastic", x, stochastic, 1, ex.key(1)),
        ("mxfp4 rotated by 32", x, rotated, 1, None),
        ("nvfp4 from float32", x, ex.nvfp4, 2, None),
        ("mxfp8_e4m3 from float32", x, ex.mxfp8_e4m3, 1, None),
    ]
    rows = []
    for case, source, how, reads, key in cases:
        out = ex.quantize(source, how, key=key).nbytes
        run: Any = lambda s=source, h=how, k=key: ex.quantize(s, h, key=k)  # noqa: E731
        rows.append(_bound(case, run, reads * source.nbytes + out, bandwidth))
    return rows


def dequantize(size: int = SIZE) -> list[Row]:
    """Packed to float32."""
    bandwidth, rows = copy_bandwidth(), []
    x = ex.asarray(cupy().random.standard_normal(size, np.float32).reshape(-1, 4096))
    for name in ("mxfp4", "nvfp4", "mxfp8_e4m3"):
        q = ex.quantize(x, ex.dtype(name))
        run: Any = lambda q=q: ex.dequantize(q)  # noqa: E731
        rows.append(_bound(name, run, q.nbytes + x.nbytes, bandwidth))
    return rows


def our_step(batch: int, recipe: str) -> Callable[[], Any]:
    """A compiled training step of LeNet-5 on fixed random images."""
    model = ex.models.LeNet5(recipe=recipe, key=ex.key(0)).to("cuda")
    optimizer = ex.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    x = ex.asarray(rng.standard_normal((batch, 1, 28, 28)).astype(np.float32), device="cuda")
    labels = ex.asarray(rng.integers(0, 10, batch), device="cuda")
    state = {"step": 0}

    def step(x: Any, labels: Any, key: Any) -> Any:
        loss: Any = ex.cross_entropy(model(x, key=key), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    run = ex.compile(step)

    def one() -> None:
        state["step"] += 1
        run(x, labels, key=ex.key(7).fold(state["step"]))

    for _ in range(4):
        one()
    return one


def torch_step(batch: int, graph: bool) -> Callable[[], Any] | None:
    """The same in PyTorch float32, eager or as a CUDA graph; None where it is not installed."""
    if not find_spec("torch"):
        return None
    torch: Any = import_module("torch")

    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).cuda()  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(batch, 1, 28, 28, device="cuda")
    y = torch.randint(0, 10, (batch,), device="cuda")
    loss_of = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss_of(model(x), y).backward()
        optimizer.step()

    return _torch_graph(step) if graph else step


def _torch_graph(step: Callable[[], Any]) -> Callable[[], Any]:
    """The replay of a PyTorch step that was captured."""
    torch: Any = import_module("torch")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.synchronize()  # before a capture: nothing may be under way
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        step()
    return captured.replay  # type: ignore[no-any-return]


def _wall(run: Callable[[], Any], calls: int = 30, rounds: int = 5) -> float:
    """Median seconds of a call when many are queued, by the host's clock."""
    import time

    run()
    cupy().cuda.Device().synchronize()
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        for _ in range(calls):
            run()
        cupy().cuda.Device().synchronize()
        taken.append((time.perf_counter() - begin) / calls)
    return statistics.median(taken)


def lenet(batches: tuple[int, ...] = (64, 256, 4096)) -> list[Row]:
    """Seconds of a compiled step, beside PyTorch's fp32 step, eager and as a graph."""
    rows = []
    for batch in batches:
        peers = {
            name: None if step is None else _wall(step)
            for name, step in (
                ("torch fp32 eager", torch_step(batch, False)),
                ("torch fp32 graph", torch_step(batch, True)),
            )
        }
        for recipe in RECIPES:
            seconds = _wall(our_step(batch, recipe))
            for peer, theirs in peers.items():
                ratio = None if theirs is None else theirs / seconds
                case = f"lenet {recipe} batch {batch}"
                rows.append(Row(case, seconds, None, None, peer, theirs, ratio))
    return rows


def gemm(k: int = 8192, n: int = 8192) -> list[Row]:
    """x (M, K) bfloat16 or packed times a packed MXFP4 weight, beside PyTorch's bfloat16."""
    from extensor.kernels.front import matmul, matmul_native

    library, rows = cupy(), []
    rng = library.random
    weights = [
        ex.quantize(ex.asarray(rng.standard_normal((n, k), np.float32)), ex.mxfp4) for _ in range(4)
    ]
    packed: list[Any] = [w.storage.rows for w in weights]  # type: ignore[union-attr]
    for m in (1, 8, 16, 64, 4096):
        x = ex.asarray(rng.standard_normal((m, k), np.float32))
        turn = _rotation(partial(matmul_native, x.array()), packed)
        theirs = _torch_gemm(m, n, k)
        rows.append(_against(f"gemm float32 x mxfp4, M = {m}", turn, theirs))
        if m == 4096:
            q: Any = ex.quantize(x, ex.mxfp4).storage
            both = _rotation(partial(matmul, q.rows), packed)
            rows.append(_against(f"gemm mxfp4 x mxfp4, M = {m}", both, theirs))
    return rows


def _rotation(run: Callable[[Any], Any], operands: list[Any]) -> Callable[[], Any]:
    """Calls that take the operands in turn, so that none stays in the cache."""
    state = {"at": 0}

    def one() -> Any:
        state["at"] = (state["at"] + 1) % len(operands)
        return run(operands[state["at"]])

    return one


def _torch_gemm(m: int, n: int, k: int) -> Callable[[], Any] | None:
    if not find_spec("torch"):
        return None
    torch: Any = import_module("torch")

    x = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    weights = [torch.randn(n, k, device="cuda", dtype=torch.bfloat16) for _ in range(4)]
    return _rotation(lambda w: x @ w.t(), weights)


def _against(case: str, run: Callable[[], Any], peer: Callable[[], Any] | None) -> Row:
    seconds = device_seconds(run)
    theirs = None if peer is None else device_seconds(peer)
    ratio = None if theirs is None else theirs / seconds
    return Row(case, seconds, None, None, "torch bfloat16", theirs, ratio)


def linear(t: int = 8192, n: int = 4096, k: int = 4096) -> list[Row]:
    """A linear layer, forward and backward with quantization, beside PyTorch's bfloat16.

    Both as they are called, and both as a CUDA graph: what the GPU alone takes.
    """
    rng = cupy().random
    theirs, rows = _torch_linear(t, n, k), []
    captured = None if theirs is None else _torch_graph(theirs)
    for recipe in ("mxfp4-sr", "nvfp4"):
        layer = ex.nn.Linear(k, n, recipe=get(recipe), key=ex.key(0)).to("cuda")
        x = ex.asarray(rng.standard_normal((t, k), np.float32), requires_grad=True)
        g = ex.asarray(rng.standard_normal((t, n), np.float32))

        def step(key: Any, layer: Any = layer, x: Any = x, g: Any = g) -> None:
            layer(x, key=key).backward(g)
            x.grad = layer.weight.grad = layer.bias.grad = None

        case = f"linear {recipe} {t} x {n} x {k}"
        rows.append(_against(case, partial(step, ex.key(1)), theirs))
        run = partial(ex.compile(step), key=ex.key(1))
        for _ in range(4):
            run()
        rows.append(_against(f"{case}, graph", run, captured))
    return rows


def _torch_linear(t: int, n: int, k: int) -> Callable[[], Any] | None:
    if not find_spec("torch"):
        return None
    torch: Any = import_module("torch")

    layer = torch.nn.Linear(k, n, device="cuda", dtype=torch.bfloat16)
    x = torch.randn(t, k, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    g = torch.randn(t, n, device="cuda", dtype=torch.bfloat16)

    def step() -> None:
        layer(x).backward(g)
        x.grad = layer.weight.grad = layer.bias.grad = None

    return step
