"""Sliding windows: the geometry that convolution, pooling and im2col share.

A window of ``kernel`` = (kh, kw) moves over an image of ``size`` = (H, W), padded on all sides by
``padding`` = (ph, pw), in steps of ``stride`` = (sh, sw). It stands at
``Ho = (H + 2 ph - kh) // sh + 1`` heights, and at as many widths Wo by the same formula.
"""

from extensor.errors import ShapeError

Pair = tuple[int, int]


def out_size(op: str, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """(Ho, Wo): where a window can stand. ``op`` begins the message of a ShapeError.

    >>> out_size("conv2d", (28, 28), (5, 5), (1, 1), (2, 2))
    (28, 28)
    >>> out_size("max_pool2d", (7, 6), (2, 2), (2, 2), (0, 0))
    (3, 3)
    """
    if min(kernel) < 1 or min(stride) < 1 or min(padding) < 0:
        raise ShapeError(
            f"{op}: kernel {kernel}, stride {stride}, padding {padding}; "
            "kernel and stride start at 1, padding at 0"
        )
    h, w = (n + 2 * p - k for n, k, p in zip(size, kernel, padding, strict=True))
    if h < 0 or w < 0:
        raise ShapeError(
            f"{op}: the kernel {kernel} is larger than the image {size} with padding {padding}; "
            "take a smaller kernel or more padding"
        )
    return h // stride[0] + 1, w // stride[1] + 1


def four(op: str, name: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """A shape with four axes, else ShapeError.

    >>> four("conv2d", "x", (8, 3, 32, 32))
    (8, 3, 32, 32)
    """
    if len(shape) != 4:
        raise ShapeError(f"{op}: {name} has shape {shape}; it takes 4 axes (N, C, H, W)")
    a, b, c, d = shape
    return a, b, c, d


def same(op: str, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """ShapeError unless ``shape`` is the one that follows from the other operands.

    >>> same("conv2d_input_grad", "g", (1, 2), (1, 2))
    """
    if tuple(shape) != tuple(wanted):
        raise ShapeError(f"{op}: {name} has shape {tuple(shape)}; the other sizes ask for {wanted}")
