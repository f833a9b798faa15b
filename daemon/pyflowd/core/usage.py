"""What a node uses: at one moment, and in all."""

from typing import NamedTuple


class Observation(NamedTuple):
    """A worker with the processes it started, now. None where nobody has counted this time."""

    memory_bytes: int
    processes: int | None = None

    def at_least(self, other: "Observation") -> "Observation":
        """The higher of each figure."""
        counts = [count for count in (self.processes, other.processes) if count is not None]
        return Observation(max(self.memory_bytes, other.memory_bytes), max(counts, default=None))


NOTHING = Observation(0)


class Usage(NamedTuple):
    """What a call has used; None where nobody counted."""

    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    peak_processes: int | None = None
    scratch_bytes: int | None = None

    def with_peaks(self, peaks: Observation) -> "Usage":
        """With the most that was observed meanwhile."""
        if peaks is NOTHING:
            return self
        memory_bytes = max(self.peak_memory_bytes, peaks.memory_bytes)
        return self._replace(peak_memory_bytes=memory_bytes, peak_processes=peaks.processes)
