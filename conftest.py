"""What pytest does not collect: examples of modules whose library is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["extensor/interop/torch/*"]
