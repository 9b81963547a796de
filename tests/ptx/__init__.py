"""Each CUDA kernel compiles and assembles for all its architectures; no GPU needed."""
