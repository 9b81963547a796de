"""Discrete Fourier transforms of the Array API standard: ``ex.fft``.

Answers are complex64 for float32 and narrower, complex128 for float64. There are no gradients.
"""

from extensor.fft.grids import fftfreq as fftfreq
from extensor.fft.grids import fftshift as fftshift
from extensor.fft.grids import ifftshift as ifftshift
from extensor.fft.grids import rfftfreq as rfftfreq
from extensor.fft.transforms import fft as fft
from extensor.fft.transforms import fftn as fftn
from extensor.fft.transforms import hfft as hfft
from extensor.fft.transforms import ifft as ifft
from extensor.fft.transforms import ifftn as ifftn
from extensor.fft.transforms import ihfft as ihfft
from extensor.fft.transforms import irfft as irfft
from extensor.fft.transforms import irfftn as irfftn
from extensor.fft.transforms import rfft as rfft
from extensor.fft.transforms import rfftn as rfftn
