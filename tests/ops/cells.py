"""The matrix, cell by cell: what an op must give on operands of a format, and whether it does.

A cell is an op, a format and a device. Nothing is listed by hand: the op's row says the meaning
and the samples, the format how its numbers are made and how finely they are spaced. What must come
out is the meaning in float64 (integers: in their own type) of the values that the operands really
hold, rounded once to the format that the promotion rule names. Where the meaning itself refuses
the type, or the row declares none for it, the op must refuse it with a typed error.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

import extensor as ex
from extensor.errors import DTypeError, ExtensorError
from extensor.formats import DTYPES, DType, Element, Float, Integer
from extensor.ops.registry import Op, Sample
from extensor.ops.route import route
from tests.ops.table import draw, values_for

WORDS = ("native", "coded", "packed", "fallback", "raises")
LIBRARY = 8
"""Roundings of float32 or float64 that a function of one number may cost (exp, log, erf, ...)."""


class Cell(NamedTuple):
    """One cell of the matrix, after it was tried.

    word
        How the op computes, one of `WORDS`.
    samples
        How many inputs of the row went through it; 0: untested.
    wrong
        What is wrong with it; empty where nothing is.
    reason
        Of a cell that raises: what the error says.
    """

    op: str
    dtype: str
    device: str
    word: str
    samples: int = 0
    wrong: str = ""
    reason: str = ""


class Refused(NamedTuple):
    """An error that must come: why, and of which type."""

    why: str
    kind: type[ExtensorError] = DTypeError


def operands(row: Op, sample: Sample, dtype: DType, device: str = "cpu") -> list[Any]:
    """Tensors of this format; labels, places and conditions stay what they are."""
    typed = range(len(sample.shapes))[row.typed]
    made = []
    for i, x in enumerate(draw(row, sample)):
        given = isinstance(sample.shapes[i], np.ndarray)
        if len(typed) == 0 or (i in typed and not (given and x.dtype.kind in "iub")):
            whole = given and x.dtype.kind in "iu" and isinstance(dtype, Integer)
            tensor = ex.asarray(x if whole else values_for(dtype, x), dtype)
        else:
            tensor = ex.asarray(x if given else x > 0)
        made.append(tensor if device == "cpu" else tensor.to(device))
    return made


def exact(tensor: Any) -> Any:
    """The values that a tensor holds, in a type that holds them all."""
    array = tensor.numpy()
    if array.dtype.kind in "iub":
        return array
    return np.asarray(array, np.complex128 if array.dtype.kind == "c" else np.float64)


def answer_dtype(row: Op, dtype: DType, attributes: Any) -> str:
    """The promotion rule of the interface, written out once more; see `packed` for shape ops."""
    if "quantizer" in attributes and row.name == "quantize":
        return str(attributes["quantizer"].fmt)
    if row.name == "cast":
        return str(attributes["dtype"])
    if row.result in ("bool", "index"):
        return {"bool": "bool", "index": "int64"}[row.result]
    if row.result == "same" and dtype.kind == "coded":
        return dtype.name
    if row.result == "sum" and not (dtype.is_float or dtype.is_complex):
        return "uint64" if dtype.name.startswith("u") else "int64"
    if row.result == "complex":
        return "complex128" if dtype.name in ("float64", "complex128") else "complex64"
    if row.result in ("real", "part") and dtype.is_complex:
        return {"complex64": "float32", "complex128": "float64"}[dtype.name]
    narrow = dtype.kind == "blocked" or (dtype.kind == "coded" and dtype.name != "bfloat16")
    whole = not (dtype.is_float or dtype.is_complex)
    return "float32" if narrow or (row.result in ("float", "part") and whole) else dtype.name


def meant(row: Op, dtype: DType, tensors: list[Any], attributes: Any) -> Any:
    """The answer in float64 (complex128, integers), or `Refused`."""
    if dtype.is_complex and not row.complex and row.result != "same":
        return Refused("no meaning for complex numbers is declared")
    zero = not (isinstance(dtype, Element) and dtype.kind == "coded" and dtype.facts.origin)
    if row.fills and not zero:
        return Refused("the format has no zero to fill with")
    inputs = [exact(t) for t in tensors]
    if row.result in ("float", "part", "complex", "sum") and row.typed != slice(0, 0):
        for i in range(len(inputs))[row.typed]:
            if inputs[i].dtype.kind in "iub":
                whole = np.uint64 if inputs[i].dtype.kind == "u" else np.int64
                inputs[i] = inputs[i].astype(whole if row.result == "sum" else np.float64)
    try:
        with np.errstate(all="ignore"):
            value = row.meaning(*inputs, **attributes)
    except (TypeError, ExtensorError) as error:
        return Refused(str(error), type(error) if isinstance(error, ExtensorError) else DTypeError)
    return np.asarray(value[0].array if row.aux else value)


def spacing(dtype: DType) -> tuple[float, float]:
    """(half the step at 1, half the smallest step) of a format that answers are rounded to.

    Blocked answers are read through float32.
    """
    if isinstance(dtype, Float) and dtype.kind == "coded":
        return 2.0 ** -(dtype.mantissa + 1), dtype.min_subnormal / 2
    held: Any = dtype.storage if dtype.kind == "native" else np.float32
    info = np.finfo(held)
    return float(info.eps) / 2, float(info.smallest_subnormal) / 2


def tolerance(row: Op, dtype: DType, value: Any, inputs: list[Any]) -> Any:
    """How far an answer of a format may be from the float64 meaning: one rounding to the format,
    and the roundings inside.

    Inside is float64 for answers of 64 bits, else float32, each rounding ``u`` of the largest
    number around. Every number enters a sum at most once, so ``n u`` bounds a sum of n (Higham,
    Accuracy and Stability of Numerical Algorithms, 2002, section 4.2); a function costs `LIBRARY`.
    Shape ops, integers and truth values are exact.
    """
    whole = value.dtype.kind in "iub" or isinstance(dtype, Integer)
    if row.result == "same" or whole or dtype.kind == "coded" and dtype.name != "bfloat16":
        return 0.0
    half, least = spacing(dtype)
    finite = [x[np.isfinite(x)] for x in (value, *inputs)]
    largest = max([1.0, *(float(np.abs(x).max()) for x in finite if x.size)])
    inside = (LIBRARY + max((x.size for x in inputs), default=0)) * largest
    inside *= 2.0**-53 if half < 2.0**-50 else 2.0**-24
    with np.errstate(invalid="ignore"):
        return half * np.abs(value) + least + inside


def difference(answer: Any, value: Any, bound: Any) -> str:
    """What is wrong with an answer; empty where nothing is."""
    if answer.shape != value.shape:
        return f"shape {answer.shape}, not {value.shape}"
    same = answer == value
    if value.dtype.kind in "fc":
        same = same | (np.isnan(answer) & np.isnan(value))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(answer - value) <= bound if value.dtype.kind in "fc" else False
    bad = ~np.asarray(same | near)
    if not bad.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.ndim else ()
    return f"{answer[at]} at {at}, not {value[at]} ({int(bad.sum())} of {bad.size} wrong)"


def ran(calls: list[Any], kinds: set[str], word: str) -> str:
    """The word for what the trace saw; conversions are no calls, and keep theirs."""
    if not calls:
        return word
    if calls[0].fallback:
        return "fallback"
    return "packed" if "blocked" in kinds else "coded" if "coded" in kinds else "native"


def try_sample(row: Op, sample: Sample, dtype: DType, device: str) -> tuple[str, str, str]:
    """(word, what is wrong, what the error says) of one cell on one sample."""
    tensors = operands(row, sample, dtype, device)
    try:
        wanted = meant(row, dtype, tensors, sample.attributes)
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        return "raises", f"the meaning fails: {type(error).__name__}: {error}", str(error)
    word: str = route(row, [t.storage for t in tensors], sample.attributes, device)
    try:
        with np.errstate(all="ignore"), ex.trace() as calls:
            answer = row(*tensors, **sample.attributes)
    except ExtensorError as error:
        if not isinstance(wanted, Refused):
            return "raises", f"raised {type(error).__name__}: {error}", str(error)
        wanted_type = isinstance(error, wanted.kind)
        wrong = "" if wanted_type else f"{type(error).__name__}, not {wanted.kind.__name__}"
        return "raises", wrong, str(error)
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        return "raises", f"{type(error).__name__} is no error of ours: {error}", str(error)
    if isinstance(wanted, Refused):
        return word, f"answered, where it must raise: {wanted.why}", ""
    seen = ran(calls, {t.storage.kind for t in tensors}, word)
    if seen != word:
        return word, f"classified {word}, ran {seen}", ""
    name = answer_dtype(row, dtype, sample.attributes)
    packed = word == "packed" and row.result == "same" and answer.dtype == dtype
    if answer.dtype.name != name and not packed:
        return word, f"answered {answer.dtype}, not {name}", ""
    if answer.device != device:
        return word, f"answered on {answer.device}", ""
    bound = tolerance(row, answer.dtype, wanted, [exact(t) for t in tensors])
    return word, difference(exact(answer), wanted, bound), ""


def cell(row: Op, dtype: DType, device: str = "cpu") -> Cell:
    """A cell, tried on every sample of its row; it raises on all of them or on none."""
    found: list[tuple[str, str, str]] = []
    for sample in row.samples:
        found.append(try_sample(row, sample, dtype, device))
        if found[-1][1]:
            break
    words = [word for word, _, _ in found]
    wrong = next((w for _, w, _ in found if w), "")
    if not wrong and "raises" in words and set(words) != {"raises"}:
        wrong = f"raises on sample {words.index('raises')} only"
    word = slowest(words)
    reason = next((r for _, _, r in found if r), "")
    return Cell(row.name, dtype.name, device, word, len(found), wrong, reason)


def classified(row: Op, dtype: DType, device: str, on_host: Cell | None = None) -> Cell:
    """A cell of a device that is not here: the word by the table alone, untried.

    The operands are made on the host, and asked for what is registered for the device. What raises
    does so by the meaning and the rule of promotion, which know no device.
    """
    on_host = on_host or cell(row, dtype)
    if on_host.word == "raises" or not row.samples:
        return on_host._replace(device=device, samples=0)
    words = {
        route(row, [t.storage for t in operands(row, s, dtype)], s.attributes, device)
        for s in row.samples
    }
    return Cell(row.name, dtype.name, device, slowest(words))


def slowest(words: Iterable[str]) -> str:
    """The word of a cell whose samples take several routes: the last in `WORDS`."""
    found = set(words)
    return next((w for w in reversed(WORDS) if w in found), "")


FAMILIES: dict[str, Callable[[DType], bool]] = {
    "bool": lambda d: d.name == "bool",
    "integer": lambda d: isinstance(d, Integer) and d.name != "bool",
    "real": lambda d: d.is_float,
    "complex": lambda d: d.is_complex,
}
"""Formats that an op takes, or refuses, together."""


def uneven(row: Op, cells: Iterable[Cell]) -> str:
    """What a row refuses for some formats of a family and takes for others.

    Only formats without a zero may differ, and only where the row fills with zeros. An op that
    refuses every format has no meaning at all.
    """
    words = {c.dtype: c.word for c in cells}
    if set(words.values()) == {"raises"}:
        return f"{row.name} raises for every format"
    for family, inside in FAMILIES.items():
        names = [d.name for d in DTYPES if inside(d) and d.name in words]
        raising = [n for n in names if words[n] == "raises"]
        if row.fills:
            raising = [n for n in raising if n != "float8_e8m0fnu"]
        if raising and len(raising) + row.fills * ("float8_e8m0fnu" in names) < len(names):
            return f"{row.name} raises for {', '.join(raising)}, not for every {family} format"
    return ""


def cells_of(row: Op, device: str = "cpu") -> list[Cell]:
    """All cells of a row on a device that is here."""
    return [cell(row, dtype, device) for dtype in DTYPES]
