"""How a tensor looks: values, format, bytes and, for blocked tensors, the first block."""

from html import escape
from typing import Any

import numpy as np

from extensor.formats import Block
from extensor.kernels.front import decode_elements, dequantize
from extensor.storage import Blocked, Coded, Native, Storage

SHOWN = 16
"""How many elements of the first block are shown."""


def values_of(storage: Storage) -> Any:
    """The stored values on the host, as float32 (native ones as they are)."""
    storage = storage.to("cpu")
    if isinstance(storage, Native):
        return storage.array
    if isinstance(storage, Coded):
        return decode_elements(storage.codes, storage.dtype)
    return storage.spread(dequantize(storage.rows))


def human(n: int) -> str:
    """Bytes for people.

    >>> human(68), human(2048)
    ('68 bytes', '2.0 KiB')
    """
    if n < 1024:
        return f"{n} bytes"
    size, unit = n / 1024, "KiB"
    for bigger in ("MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{size:.1f} {unit}"


def summary(storage: Storage, requires_grad: bool) -> str:
    """One line: shape, format, device, bytes."""
    parts = [f"shape={storage.shape}", f"dtype={storage.dtype}", f"device={storage.device}"]
    if isinstance(storage, Blocked):
        size = max(1, int(np.prod(storage.shape)))
        parts += [f"axis={storage.axis}", human(storage.nbytes)]
        parts[-1] += f" ({8 * storage.nbytes / size:.2f} bits a value)"
        if storage.transform is not None:
            parts.append(f"transform={storage.transform}")
    else:
        parts.append(human(storage.nbytes))
    if requires_grad:
        parts.append("requires_grad=True")
    return ", ".join(parts)


def first_block(storage: Blocked) -> dict[str, Any]:
    """Scale and codes of block (0, 0): what the bytes say."""
    fmt, rows = storage.dtype, storage.rows
    n = min(SHOWN, fmt.length, rows.length)
    moved = np.moveaxis(storage.codes, storage.axis, -1).reshape(-1, rows.length)
    codes = moved[0, :n]
    scale = rows.scales.reshape(-1)[:1]
    value = scale if scale.dtype.kind == "f" else decode_elements(scale, fmt.scale, np.float64)
    return {
        "scale_code": scale[0].item(),
        "scale": float(value[0]),
        "codes": codes.tolist(),
        "elements": decode_elements(codes, fmt.element).tolist(),
        "more": min(fmt.length, rows.length) - n,
    }


def describe(storage: Storage, requires_grad: bool = False) -> str:
    """The repr of a tensor."""
    with np.printoptions(precision=4, threshold=64, edgeitems=3, linewidth=96, suppress=True):
        body = np.array2string(np.asarray(values_of(storage)), separator=", ", prefix="ExTensor(")
    lines = [f"ExTensor({body},", f"  {summary(storage, requires_grad)})"]
    storage = storage.to("cpu")
    if isinstance(storage, Blocked) and all(storage.shape):
        block = first_block(storage)
        more = f" ... {block['more']} more" if block["more"] > 0 else ""
        scale = f"scale code {block['scale_code']} = {block['scale']:g}"
        if storage.rows.tensor_scale is not None:
            second = np.ravel(storage.rows.tensor_scale)
            scale += f", {'tensor' if second.size == 1 else 'row'} scale {second[0]:g}"
        elements = " ".join(f"{v:g}" for v in block["elements"])
        lines.append(f"  first block: {scale}")
        lines.append(f"    codes    {' '.join(map(str, block['codes']))}{more}")
        lines.append(f"    elements {elements}{more}")
    return "\n".join(lines)


def describe_html(storage: Storage, requires_grad: bool = False) -> str:
    """The same for a notebook: the first block as a table, coloured by magnitude."""
    head = f"<b>ExTensor</b> {escape(summary(storage, requires_grad))}"
    if not isinstance(storage, Blocked) or not all(storage.shape):
        return f"<div>{head}<pre>{escape(describe(storage, requires_grad))}</pre></div>"
    block, fmt = first_block(storage.to("cpu")), storage.dtype
    return f"<div>{head}{_table(block, fmt)}</div>"


def _table(block: dict[str, Any], fmt: Block) -> str:
    cells = []
    for code, value in zip(block["codes"], block["elements"], strict=True):
        share = min(1.0, abs(value) / fmt.element.max) if np.isfinite(value) else 1.0
        hue = 210 if value >= 0 else 20
        style = f"background:hsl({hue},80%,{100 - 45 * share:.0f}%);text-align:right"
        cells.append(f'<td style="{style}">{value:g}<br><small>{code}</small></td>')
    title = f"scale {block['scale']:g} (code {block['scale_code']})"
    return f"<table><caption>first block, {title}</caption><tr>{''.join(cells)}</tr></table>"
