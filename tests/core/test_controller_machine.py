"""Any order of submits, answers, deaths, cancels and time-outs keeps the controller's promises."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyflowd.core import stimuli
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId
from pyflowd.core.machines import ZygoteState
from pyflowd.core.usage import Observation, Usage
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import Selection
from support.world import BROKEN, PYTHON, SESSION, World, requiring, shape

ENVIRONMENTS = st.sampled_from([PYTHON, EnvironmentId("/opt/python")])

NAMES = st.lists(st.sampled_from([f"n{number}" for number in range(5)]), max_size=2).map(tuple)


class ControllerMachine(RuleBasedStateMachine):
    """Rules are what the outside can do; the world notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(last_values_bytes=8000)  # there is room for the values of six nodes

    @rule(
        count=st.integers(1, 6),
        pairs=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8),
        environment=ENVIRONMENTS,
        partial=st.booleans(),
        cache=st.booleans(),
        explain=st.booleans(),
    )
    def submit(
        self,
        count: int,
        pairs: set[tuple[int, int]],
        environment: EnvironmentId,
        partial: bool,
        cache: bool,
        explain: bool,
    ) -> None:
        edges = {(a, b) for a, b in pairs if a < b < count}
        options = {"partial": partial, "cache": cache, "explain": explain}
        self.world.submit(shape(count, edges), environment=environment, **options)

    @rule()
    def look_for_results(self) -> None:
        self.world.look()

    @rule(
        count=st.integers(1, 5),
        pairs=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6),
        selection=st.builds(Selection, targets=NAMES, below=NAMES, only=NAMES),
        partial=st.booleans(),
    )
    def submit_a_part(self, count: int, pairs: set[tuple[int, int]], selection: Selection, partial: bool) -> None:
        """All of one graph, which changes from one time to the next."""
        edges = {(a, b) for a, b in pairs if a < b < count}
        self.world.submit(shape(count, edges), selection=selection, partial=partial, origin="one")

    @rule(partial=st.booleans())
    def submit_with_a_broken_node(self, partial: bool) -> None:
        self.world.submit(shape(3, {(0, 1)}).replace('"good"', f'"{BROKEN}"', 1), partial=partial)

    @rule()
    def submit_a_cycle(self) -> None:
        self.world.submit(shape(2, {(0, 1), (1, 0)}))

    @rule()
    def submit_garbage(self) -> None:
        self.world.submit("]not a graph[")

    @rule()
    def check_a_graph(self) -> None:
        self.world.requests += 1
        submission = stimuli.Submission(document=shape(2, {(0, 1)}), name=None, key="checked", inputs={})
        self.world.feed(stimuli.CheckAsked(session=SESSION, request=self.world.requests, submission=submission))

    @rule()
    def warm(self) -> None:
        self.world.warm()

    @rule()
    def fork(self) -> None:
        self.world.fork()

    @precondition(lambda self: self.world.forking)
    @rule()
    def fail_to_fork(self) -> None:
        worker = self.world.forking.pop(0)
        zygote = self.world.processes.pop(worker).zygote
        self.world.ended[worker] += 1
        self.world.feed(stimuli.ForkFailed(zygote=zygote, workers=(worker,), message="no memory"))

    @precondition(lambda self: self.world.busy())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.world.answer(data.draw(st.sampled_from(self.world.busy())))

    @precondition(lambda self: self.world.busy())
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self.world.fail(data.draw(st.sampled_from(self.world.busy())))

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data(), status=st.sampled_from([0, 256, 9, 11, 24]))
    def die(self, data: st.DataObject, status: int) -> None:
        self.world.exit(data.draw(st.sampled_from(sorted(self.world.processes))), status)

    @precondition(lambda self: self.world.processes)
    @rule(data=st.data())
    def lie(self, data: st.DataObject) -> None:
        """An answer to a call that the worker was never given."""
        worker = data.draw(st.sampled_from(sorted(self.world.processes)))
        self.world.feed(stimuli.CallDone(worker=worker, call=CallId(10**9), outputs=(), warnings=(), usage=Usage()))

    @rule(worker=st.integers(1, 30))
    def speak_from_the_grave(self, worker: int) -> None:
        """News of workers that may be long gone."""
        self.world.feed(stimuli.WorkerWrote(worker=WorkerId(worker), stream="stdout", data=b"boo\n"))
        self.world.feed(stimuli.WorkersObserved(observations={WorkerId(worker): Observation(10**12)}))

    @rule(environment=ENVIRONMENTS)
    def lose_zygote(self, environment: EnvironmentId) -> None:
        zygote = self.world.controller.pool.zygotes.get(environment)
        if zygote is not None and zygote.state in (ZygoteState.WARM, ZygoteState.WARMING):
            self.world.lose_zygote(zygote.id)

    @rule(fingerprint=st.sampled_from(["1", "2", "3"]), seen=st.booleans())
    def change_packages(self, fingerprint: str, seen: bool) -> None:
        self.world.fingerprint = fingerprint
        if seen:
            self.world.feed(stimuli.EnvironmentLookedAt(python=PYTHON, fingerprint=fingerprint))

    @rule(names=st.sets(st.sampled_from(["numpy", "pandas", "torch"])), broken=st.booleans())
    def import_something(self, names: set[str], broken: bool) -> None:
        """What nodes import from now on; some of it cannot be imported beforehand."""
        self.world.imports = tuple((name, 0.1) for name in sorted(names))
        self.world.broken = {"torch": "starts a thread"} if broken else {}

    @rule(package=st.sampled_from(["numpy", "nowhere"]))
    def submit_what_must_be_built(self, package: str) -> None:
        self.world.submit(requiring(package))

    @rule()
    def build(self) -> None:
        self.world.build()

    @precondition(lambda self: self.world.building)
    @rule()
    def fail_to_build(self) -> None:
        spec = self.world.building.pop(0)
        error = ErrorInfo(code=ErrorCode.ENVIRONMENT, message="no such package")
        self.world.feed(stimuli.EnvironmentRefused(spec=spec, error=error))

    @precondition(lambda self: self.world.building)
    @rule()
    def tell_progress(self) -> None:
        self.world.feed(stimuli.EnvironmentProgressed(job=self.world.building[0], message="downloading"))

    @rule()
    def change_a_named_environment(self) -> None:
        self.world.change("install", "science")

    @precondition(lambda self: self.world.changing)
    @rule()
    def be_done_with_a_change(self) -> None:
        self.world.changed()

    @rule()
    def warm_and_cool(self) -> None:
        for kind in (stimuli.WarmAsked, stimuli.CoolAsked):
            self.world.requests += 1
            where = {"environment": PYTHON} if kind is stimuli.WarmAsked else {"python": PYTHON}
            self.world.feed(kind(session=SESSION, request=self.world.requests, **where))

    @rule(size_bytes=st.sampled_from([0, 10**6, 10**9]), short_bytes=st.sampled_from([0, 10**9]))
    def measure_memory(self, size_bytes: int, short_bytes: int) -> None:
        living = self.world.controller.pool.book.living
        measured = stimuli.MemoryMeasured(memory_bytes=dict.fromkeys(living, size_bytes), short_bytes=short_bytes)
        self.world.feed(measured)

    @rule(number=st.integers(1, 8))
    def cancel(self, number: int) -> None:
        self.world.requests += 1
        self.world.feed(stimuli.CancelAsked(session=SESSION, request=self.world.requests, run=RunId(f"r-{number}")))

    @rule(span_s=st.sampled_from([0.5, 1.0, 5.0, 11.0, 70.0]))
    def wait(self, span_s: float) -> None:
        self.world.wait(span_s)

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """When all goes well from here, everything comes to an end, and nothing is left."""
        self.world.settle()
        self.world.wait(100.0)
        self.world.settle()
        self.world.check_over()


TestController = ControllerMachine.TestCase
TestController.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate, Phase.shrink],  # explaining traces every line: minutes instead of seconds
)
