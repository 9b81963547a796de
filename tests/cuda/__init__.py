"""What runs on a GPU is equal to the CPU. Skipped, with the reason, on a machine without one."""
