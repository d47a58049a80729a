"""The hub that a group runs: it collects its members' results, and measures for them from where nothing is censored."""
