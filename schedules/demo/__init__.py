"""The small censored network on loopback that `reachprobe demo` measures."""
