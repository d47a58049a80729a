"""New anomalies, which are measured again, alone: only what is still there may be said.

This table stands before every proof, by its name.
"""

from results.judge.rule import Rule, signs

RULES = (
    Rule(
        id="alone.not_blocked",
        tier=4,
        needs=signs("alone.not_blocked"),
        outcome="inconclusive",
        says="Measured again at the end of the round, alone, it was not blocked: our own load may have been the cause.",
    ),
    Rule(
        id="alone.unmeasured",
        tier=4,
        needs=signs("alone.unmeasured"),
        outcome="inconclusive",
        says="It was to be measured again, alone, before anything is said, and the round ended before that.",
    ),
)
