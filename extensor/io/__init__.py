"""Files in and out: validated before anything is allocated, written in one step."""
