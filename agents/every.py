"""Triggers that fire once per so many environment steps."""


class Every:
    """Says when a counter has passed the next multiple of n.

    Several multiples passed at once (vector environments) are one trigger, and the grid stays at start + k n.

    Args:
        n: The period in units of the counter; 0 or None never fires.
        start: Where the grid begins; the first trigger is at start + n.
    """

    def __init__(self, n: int | None, start: int = 0):
        self.n = int(n or 0)
        if self.n < 0:
            raise ValueError(f"The period is {n}; expected a number >= 0 (0 is never).")
        self._next = start + self.n

    @property
    def next(self) -> int:
        """The step at which it fires next."""
        return self._next

    def should(self, step: int) -> bool:
        """Returns whether `step` has reached the next multiple, and moves on past it."""
        if not self.n or step < self._next:
            return False
        self._next += self.n * ((step - self._next) // self.n + 1)
        return True

    def __call__(self, step: int) -> bool:
        return self.should(step)

    def get_state(self) -> dict[str, int]:
        """Returns the next step at which to fire."""
        return {"next": self._next}

    def set_state(self, tree: dict[str, int]) -> None:
        """Inverts `get_state`; after a change of period the old appointment is kept once."""
        self._next = int(tree["next"])
