"""Every CUDA kernel compiles and assembles for every architecture that it declares; no GPU needed."""
