"""The order of the work: which machine is understood when, which question is answered once.

The run reads machines as far as there is room for them, has them understood in chunks, has each
distinct question answered once, and gives the answers back in the order of the machines, or as they
come. What it holds at a time is bounded, however many machines there are.

Two things show that a question was asked before: what a machine says, to the letter, which shows
before anybody read it; and the canonical form of it, which shows after that.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from enum import Enum
from hashlib import blake2b
from typing import Any, Protocol, TypeAlias, assert_never

from smecheck.engine.task import Answered, Asked, Understood, answer, understand
from smecheck.errors import EngineError, InternalError
from smecheck.fleets.row import Answer, failed
from smecheck.read.fleet.described import Described
from smecheck.read.fleet.machine import Broken, Collected, Machine
from smecheck.record import replace

Answers: TypeAlias = tuple[Answer, ...]
"""For each kernel."""

_HELD_BYTES = 48 << 20
"""Texts of machines that are held at a time."""
_HELD_MACHINES = 20_000
"""Machines between the first that has no answer yet and the last that was read."""
_CHUNK_MACHINES, _CHUNK_BYTES = 16, 2 << 20
"""Machines, and bytes of their texts, that one task understands."""
_CHUNK_QUESTIONS = 4
_LEAST_SEEN, _SHARED_BY = 48, 20
"""Machines after which, and of how many one at most, may ask what another did, to do without."""
_REMEMBERED = 250_000
"""Questions whose answers are kept: some 200 MiB where no two have the same answer."""
_EXAMPLES = 128
"""Classes of which a machine is kept, to be drawn."""
_KILLED = "KilledWorker"
"""Dask's error for a task of which one worker after the other died."""
_TRIES = 2
"""How often a chunk may lose its worker before its machines are tried one by one."""


class Engine(Protocol):
    """Whoever does the work."""

    slots: int
    """Tasks that it has at a time."""

    def submit(self, function: Any, /, *args: Any, **named: Any) -> Future[Any]:
        """Have a function called."""

    def restart(self) -> bool:
        """Replace workers that died; false where that cannot be done."""


class Tally:
    """What was done, for whoever shows it."""

    def __init__(self) -> None:
        self.machines = 0
        """Machines that have their answers."""
        self.read = 0
        """Machines that were taken from their source."""
        self.questions = 0
        """Distinct questions that were answered."""
        self.shared = 0
        """Machines that asked what another one did."""
        self.restarts = 0
        """How often workers had to be replaced."""


class _Entry:
    """A machine on its way."""

    __slots__ = ("answers", "followers", "key", "machine", "name", "raw", "size", "where")

    def __init__(self, machine: Machine) -> None:
        self.name = machine.name
        self.where = machine.where if isinstance(machine, Described) else ""
        self.machine: Machine | None = machine
        self.raw: bytes | None = None
        self.key: bytes | None = None
        self.answers: Answers | None = None
        self.followers: list[_Entry] = []
        """Machines that say the same to the letter."""
        self.size = 0


class _Work(Enum):
    """What a task does with its machines."""

    UNDERSTAND = "understand"
    """Find out what each of them asks."""
    AT_ONCE = "at once"
    """That, and answer it."""
    ANSWER = "answer"
    """Answer what was understood, for whoever asks the same."""
    IN_DETAIL = "in detail"
    """Answer for just that machine."""

    @property
    def call(self) -> tuple[Callable[..., object], Mapping[str, bool]]:
        """The function that does it, and what it is given by name."""
        match self:
            case _Work.UNDERSTAND:
                return understand, {}
            case _Work.AT_ONCE:
                return understand, {"at_once": True}
            case _Work.ANSWER:
                return answer, {}
            case _Work.IN_DETAIL:
                return answer, {"in_detail": True}
            case _:
                assert_never(self)


class _Chunk:
    """A task that was given to a worker."""

    __slots__ = ("entries", "is_alone", "tries", "work")

    def __init__(self, work: _Work, entries: list[_Entry], *, is_alone: bool = False) -> None:
        self.work = work
        self.entries = entries
        self.is_alone = is_alone
        self.tries = 0


class FleetRun:
    """One run over many machines."""

    def __init__(
        self, asked: Asked, engine: Engine, tally: Tally, *, in_order: bool = True
    ) -> None:
        """Prepare a run.

        Args:
            asked: what is asked of every machine.
            engine: whoever does the work.
            tally: is kept up to date.
            in_order: whether machines come back in the order in which they were given.
        """
        self._asked, self._engine, self._tally = asked, engine, tally
        self._in_order = in_order
        self._by_text: OrderedDict[bytes, tuple[Answers, str]] = OrderedDict()
        """By what machines say: the answers, and where the machine stood that they are of."""
        self._leaders: dict[bytes, _Entry] = {}
        """By what machines say: the first, which has no answers yet."""
        self._by_key: OrderedDict[bytes, Answers | None] = OrderedDict()
        """By the name of a question: the answers; ``None`` where each machine has its own."""
        self._waiting: dict[bytes, list[_Entry]] = {}
        """By the name of a question: who waits for the answer."""
        self._to_understand: deque[_Entry] = deque()
        self._to_answer: deque[_Entry] = deque()
        self._in_detail: deque[_Entry] = deque()
        self._again: deque[_Chunk] = deque()
        self._suspects: deque[tuple[_Work, _Entry]] = deque()
        self._futures: dict[Future[Any], _Chunk] = {}
        self.examples: dict[tuple[int, str], Machine] = {}
        """For a kernel, by number, and a class: one of its machines."""
        self._order: deque[_Entry] = deque()
        self._done: deque[_Entry] = deque()
        self._held = 0

    def answers(self, machines: Iterable[Machine]) -> Iterator[tuple[str, Answers]]:
        """Yield the machines by name, each with its answers.

        Raises:
            EngineError: nobody is left to do the work.
        """
        source, is_exhausted = iter(machines), False
        while True:
            while not is_exhausted and self._has_room():
                machine = next(source, None)
                if machine is None:
                    is_exhausted = True
                else:
                    self._accept(_Entry(machine))
            self._submit()
            for entry in self._finished():
                self._tally.machines += 1
                assert entry.answers is not None  # noqa: S101 - for types: it is finished
                yield entry.name, entry.answers
            if self._futures:
                done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future)
            elif is_exhausted and not self._has_work():
                return

    # What comes in --------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        enough = len(self._to_understand) >= self._engine.slots * _CHUNK_MACHINES
        is_full = self._held >= _HELD_BYTES or len(self._order) >= _HELD_MACHINES
        return not enough and not (is_full and self._has_work())

    def _has_work(self) -> bool:
        return bool(
            self._futures
            or self._to_understand
            or self._to_answer
            or self._in_detail
            or self._again
            or self._suspects
        )

    def _accept(self, entry: _Entry) -> None:
        self._tally.read += 1
        self._order.append(entry)
        machine = entry.machine
        if isinstance(machine, Broken):
            self._finish(entry, (failed(machine.error),) * len(self._asked.kernels))
            return
        if isinstance(machine, Described):
            entry.raw, entry.size = _said_by(machine)
            known = self._by_text.get(entry.raw)
            if known is not None:
                self._by_text.move_to_end(entry.raw)
                self._share(entry, *known)
                return
            leader = self._leaders.setdefault(entry.raw, entry)
            if leader is not entry:
                entry.machine = None
                leader.followers.append(entry)
                return
            self._held += entry.size
        self._to_understand.append(entry)

    # What goes out --------------------------------------------------------------------------------

    def _submit(self) -> None:
        """Give the engine as much as it has room for."""
        while len(self._futures) < self._engine.slots:
            if self._suspects:
                # Whoever dies now dies of it: nothing else is running.
                if self._futures:
                    return
                work, entry = self._suspects.popleft()
                self._start(_Chunk(work, [entry], is_alone=True))
                return
            chunk = self._next_chunk()
            if chunk is None:
                return
            self._start(chunk)

    def _next_chunk(self) -> _Chunk | None:
        if self._again:
            return self._again.popleft()
        if self._in_detail:
            return _Chunk(_Work.IN_DETAIL, [self._in_detail.popleft()])
        if self._to_answer:
            count = min(_CHUNK_QUESTIONS, -(-len(self._to_answer) // self._engine.slots))
            return _Chunk(_Work.ANSWER, [self._to_answer.popleft() for _ in range(count)])
        entries: list[_Entry] = []
        size = 0
        at_once = self._is_diverse()
        most = _CHUNK_QUESTIONS if at_once else _CHUNK_MACHINES
        while self._to_understand and len(entries) < most and size < _CHUNK_BYTES:
            is_long = isinstance(self._to_understand[0].machine, Collected)
            if is_long and entries:
                break
            entry = self._to_understand.popleft()
            entries.append(entry)
            size += _CHUNK_BYTES if is_long else entry.size
        work = _Work.AT_ONCE if at_once else _Work.UNDERSTAND
        return _Chunk(work, entries) if entries else None

    def _is_diverse(self) -> bool:
        """Return whether hardly two machines ask the same: each is then read and answered at once.

        That two of them are in work at a time that ask the same is not a great loss then.
        """
        tally = self._tally
        return tally.machines >= _LEAST_SEEN and tally.shared * _SHARED_BY < tally.machines

    def _start(self, chunk: _Chunk) -> None:
        machines = tuple(entry.machine for entry in chunk.entries)
        function, named = chunk.work.call
        try:
            future = self._engine.submit(function, self._asked, machines, **named)
        except BrokenExecutor:
            self._restart(chunk)
            return
        except RuntimeError as error:
            raise _lost(error) from error
        self._futures[future] = chunk

    # What comes back ------------------------------------------------------------------------------

    def _take(self, future: Future[Any]) -> None:
        chunk = self._futures.pop(future, None)
        if chunk is None:
            return
        try:
            results = future.result()
        except BrokenExecutor:
            self._restart(chunk)
            return
        except Exception as error:
            if type(error).__name__ != _KILLED:
                raise _lost(error) from error
            if chunk.is_alone:
                self._condemn(chunk.entries[0])
            else:
                self._suspects.extend((chunk.work, entry) for entry in chunk.entries)
            return
        for entry, result in zip(chunk.entries, results, strict=True):
            if isinstance(result, Understood):
                self._understood(entry, result)
            else:
                self._answered(entry, result)

    def _restart(self, lost: _Chunk) -> None:
        """Replace the workers; what they had is done again."""
        chunks = [lost, *self._futures.values()]
        self._futures.clear()
        self._tally.restarts += 1
        if not self._engine.restart():
            raise EngineError(
                "the workers of the executor died",
                help_text="run the rest with another executor; the rows received so far are "
                "complete",
            )
        if lost.is_alone:
            self._condemn(lost.entries[0])
            return
        for chunk in chunks:
            chunk.tries += 1
            if chunk.tries < _TRIES:
                self._again.append(chunk)
            else:
                self._suspects.extend((chunk.work, entry) for entry in chunk.entries)

    def _condemn(self, entry: _Entry) -> None:
        """Give up on a machine that its worker dies of, alone."""
        error = InternalError(
            "the process that worked on this machine died",
            where=entry.where or entry.name,
            help_text="is there enough memory? if so, please report it, with this machine",
        )
        self._settle(entry, (failed(error),) * len(self._asked.kernels))

    def _understood(self, entry: _Entry, result: Understood) -> None:
        if result.key is None:
            assert result.answered is not None  # noqa: S101 - for types: one of the two is there
            answers = result.answered.answers
            if isinstance(entry.machine, Collected) and any(one.error is None for one in answers):
                self._tally.questions += 1
            self._settle(entry, answers)
            return
        entry.key = result.key
        if result.key in self._by_key:
            known = self._by_key[result.key]
            self._by_key.move_to_end(result.key)
            if known is None:
                self._in_detail.append(entry)
            else:
                self._tally.shared += 1
                self._settle(entry, known)
        elif result.key in self._waiting:
            self._waiting[result.key].append(entry)
        else:
            self._waiting[result.key] = []
            if result.answered is None:
                self._to_answer.append(entry)
            else:
                self._answered(entry, result.answered)

    def _answered(self, entry: _Entry, result: Answered) -> None:
        self._tally.questions += 1
        assert entry.key is not None  # noqa: S101 - for types: it was understood
        if entry.key in self._waiting:
            others = self._waiting.pop(entry.key)
            _remember(self._by_key, entry.key, result.answers if result.is_shared else None)
            if result.is_shared:
                self._tally.shared += len(others)
                for other in others:
                    self._settle(other, result.answers)
            else:
                self._in_detail.extend(others)
        self._settle(entry, result.answers)

    def _settle(self, entry: _Entry, answers: Answers) -> None:
        """Give a machine its answers, and all others that say the same."""
        if entry.machine is not None and len(self.examples) < _EXAMPLES:
            for number, one in enumerate(answers):
                if one.class_id is not None:
                    self.examples.setdefault((number, one.class_id), entry.machine)
        if entry.raw is not None:
            self._leaders.pop(entry.raw, None)
            self._held -= entry.size
            _remember(self._by_text, entry.raw, (answers, entry.where))
        for other in entry.followers:
            self._share(other, answers, entry.where)
        entry.followers = []
        self._finish(entry, answers)

    def _share(self, entry: _Entry, answers: Answers, where: str) -> None:
        """Give a machine the answers of one that says the same, at another place."""
        if any(one.error is None for one in answers):
            self._tally.shared += 1
        self._finish(entry, _at(answers, where, entry.where))

    def _finish(self, entry: _Entry, answers: Answers) -> None:
        entry.answers, entry.machine = answers, None
        if not self._in_order:
            self._done.append(entry)

    def _finished(self) -> Iterator[_Entry]:
        if not self._in_order:
            while self._done:
                yield self._done.popleft()
            while self._order and self._order[0].answers is not None:
                self._order.popleft()
            return
        while self._order and self._order[0].answers is not None:
            yield self._order.popleft()


def _said_by(machine: Described) -> tuple[bytes, int]:
    """Return a name for what a machine says, and about how many bytes that takes."""
    found, size = blake2b(machine.folder.encode("utf-8", "replace"), digest_size=16), 0
    for key in sorted(machine.fields):
        if key in ("id", "labels"):
            continue
        value = machine.fields[key]
        text = value if isinstance(value, str) else _as_text(value)
        if text is None:
            text = f"{machine.where} {machine.name}"  # what no other machine says
        data = text.encode("utf-8", "surrogatepass")
        found.update(f"\0{key}\0{type(value).__name__}\0{len(data)}\0".encode("utf-8", "replace"))
        found.update(data)
        size += len(data)
    return found.digest(), size


def _as_text(value: object) -> str | None:
    """Return a value as text, the same for the same; ``None`` where it has none."""
    try:
        return json.dumps(value, sort_keys=True, default=repr)
    except (ValueError, TypeError, RecursionError):
        return None


def _at(answers: Answers, where: str, here: str) -> Answers:
    """Return answers of one machine as those of another that says the same, but elsewhere."""
    if all(one.error is None for one in answers):
        return answers
    return tuple(
        one
        if one.error is None or one.error.where is None
        else replace(one, error=replace(one.error, where=_moved(one.error.where, where, here)))
        for one in answers
    )


def _moved(place: str, where: str, here: str) -> str:
    is_there = place == where or place.startswith(f"{where}:")
    return here + place[len(where) :] if is_there else place


def _remember(known: OrderedDict[bytes, Any], key: bytes, value: object) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def _lost(error: BaseException) -> EngineError:
    return EngineError(
        f"the workers cannot be reached any more: {type(error).__name__}"
        + (f": {error}" if str(error) else ""),
        help_text="start the cluster again, and continue with --resume FILE",
    )
