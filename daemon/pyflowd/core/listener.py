"""Listener: what nodes say and use while they run, told to whoever follows them; who uses too much is ended."""

from collections.abc import Mapping

from pyflowd.core import stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.call_output import CallOutput
from pyflowd.core.calls import Call, OfNodes
from pyflowd.core.herald import Herald
from pyflowd.core.ids import WorkerId
from pyflowd.core.live_calls import RESIDENT
from pyflowd.core.runs import Run
from pyflowd_client.protocol.ids import RunId


class Listener:
    """Hears the workers that have a call of a run."""

    def __init__(self, runs: Mapping[RunId, Run], desk: CallDesk, herald: Herald) -> None:
        self._runs = runs
        self._desk = desk
        self._herald = herald

    def progressed(self, progressed: stimuli.CallProgressed) -> None:
        """A node says how far it is."""
        run, call = self._speaker(progressed.worker)
        if run is not None and call is not None and call.id == progressed.call:
            self._herald.progressed(run, call, progressed.fraction, progressed.message)

    def wrote(self, wrote: stimuli.WorkerWrote) -> None:
        """A node writes, perhaps by a thread between two of its calls."""
        run, call = self._writer(wrote.worker)
        if run is not None and call is not None:
            if call.output is None:
                call.output = CallOutput(call.limits.output_bytes)
            text = call.output.feed(wrote.stream, wrote.data)
            self._herald.output(run, call, [(wrote.stream, text)] if text else [])

    def observed(self, observed: stimuli.WorkersObserved) -> None:
        """Nodes were looked at."""
        for worker_id, observation in observed.observations.items():
            run, call = self._speaker(worker_id)
            if run is None or call is None:
                continue
            if call.output is not None:
                self._herald.output(run, call, call.output.flush())
            call.peaks = call.peaks.at_least(observation)
            breach = verdicts.observed(observation, call.limits)
            if breach is not None and call.verdict is None:
                call.verdict = breach
                self._desk.kill(worker_id)

    def _speaker(self, worker_id: WorkerId) -> tuple[Run | None, Call | None]:
        """The node call a worker carries out, with its run, as long as that is not over."""
        worker = self._desk.pool.workers.get(worker_id)
        return self._of(worker.call if worker else None)

    def _writer(self, worker_id: WorkerId) -> tuple[Run | None, Call | None]:
        """The same; of a process that a node keeps also between its calls. In a shared one nobody knows whose it is."""
        worker = self._desk.pool.workers.get(worker_id)
        if worker is None or worker.call is not None:
            return self._speaker(worker_id)
        run, call = self._of(worker.last_call)
        is_of_one = run is not None and run.live is not None and run.live.options.isolation == RESIDENT
        return (run, call) if is_of_one else (None, None)

    def _of(self, call: Call | None) -> tuple[Run | None, Call | None]:
        if call is None or not isinstance(call.work, OfNodes):
            return None, None
        run = self._runs.get(call.work.run)
        return (None, None) if run is None or run.is_over else (run, call)
