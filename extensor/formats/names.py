"""The formats under the names of the Array API and of NumPy: what ``ex.float32`` is."""

from extensor.formats import block, element
from extensor.formats.base import find

float64, float32, float16, bfloat16 = element.FP64, element.FP32, element.FP16, element.BF16
float8_e4m3fn, float8_e5m2 = element.E4M3, element.E5M2
float6_e3m2fn, float6_e2m3fn, float4_e2m1fn = element.E3M2, element.E2M3, element.E2M1
float8_e8m0fnu, float8_ue5m3, mx_int8 = element.E8M0, element.UE5M3, element.INT8
int8, int16, int32, int64 = find("int8"), find("int16"), find("int32"), find("int64")
uint8, uint16, uint32, uint64 = find("uint8"), find("uint16"), find("uint32"), find("uint64")
bool = find("bool")
complex64, complex128 = find("complex64"), find("complex128")
mxfp8_e4m3, mxfp8_e5m2 = block.MXFP8_E4M3, block.MXFP8_E5M2
mxfp6_e3m2, mxfp6_e2m3, mxfp4, mxint8 = (
    block.MXFP6_E3M2,
    block.MXFP6_E2M3,
    block.MXFP4,
    block.MXINT8,
)
nvfp4, nvfp4_2d = block.NVFP4, block.NVFP4_2D
