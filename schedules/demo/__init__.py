"""A small censored network on loopback: what `reachprobe demo` measures, and what scenario tests are made of."""
