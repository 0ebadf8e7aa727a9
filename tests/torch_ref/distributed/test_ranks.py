"""What ranks tell each other, and what one of them says when they cannot."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time

import pytest
import torch

from npformer.errors import CheckpointError, ConfigError, CorpusError, NonFiniteError
from tests.torch_ref.distributed.harness import launch, lines, results, with_ranks
from torch_ref.train import meeting
from torch_ref.train.meeting import RankFailure, speaks
from torch_ref.train.place import Place
from torch_ref.train.ranks import choose_device

ENVIRONMENT = {
    "RANK": "3",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A rank that failed does not wait long for what the others say."""
    monkeypatch.setattr(meeting, "SETTLE", 0.5)


def test_torchruns_environment_gives_the_place():
    place = Place(3, 8, 1, 2, "node0", 29500)
    assert Place.read(ENVIRONMENT) == place
    elastic = {"TORCHELASTIC_RESTART_COUNT": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    read = Place.read({**ENVIRONMENT, **elastic})
    assert (read.restarts, read.hosted) == (2, True)
    assert Place.read({"HOME": "/root"}) == Place()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"RANK": "8"}, "RANK is '8'; it must be an integer from 0 to 7"),
        ({"RANK": "-1"}, "RANK is '-1'"),
        ({"RANK": "one"}, "RANK is 'one'"),
        ({"RANK": None}, "RANK is not set"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'; it must be an integer of 1 or more"),
        ({"WORLD_SIZE": None}, "WORLD_SIZE is not set"),
        ({"LOCAL_RANK": "2"}, "LOCAL_RANK is '2'; it must be an integer from 0 to 1"),
        ({"LOCAL_WORLD_SIZE": "9"}, "LOCAL_WORLD_SIZE is '9'"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is not set"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT is '70000'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_place_that_cannot_be_is_refused(changes, told):
    environment = {k: v for k, v in {**ENVIRONMENT, **changes}.items() if v is not None}
    with pytest.raises(ConfigError, match=re.escape(told)):
        Place.read(environment)


def test_of_what_failed_one_rank_tells():
    shared = [RankFailure(rank, "the loss is nan", False) for rank in (2, 0, 1)]
    assert [rank for rank in range(3) if speaks(shared, rank)] == [0]
    one = [
        RankFailure(0, "lost", True),
        RankFailure(1, "disk full", False),
        RankFailure(2, "lost too", True),
    ]
    assert [rank for rank in range(3) if speaks(one, rank)] == [1]
    lost = [RankFailure(3, "lost 1", True), RankFailure(2, "lost 2", True)]
    assert [rank for rank in range(4) if speaks(lost, rank)] == [2]
    two = [RankFailure(0, "a", False), RankFailure(1, "b", False), RankFailure(2, "b", False)]
    assert [rank for rank in range(3) if speaks(two, rank)] == [0, 1]


def test_what_was_told_is_not_told_again_by_one_that_fails_late(monkeypatch):
    """Rank 1 does not know yet that rank 0, which comes first by its number, fails of the same."""
    monkeypatch.setattr(meeting, "SETTLE", 0.1)

    def work(ranks):
        if ranks.rank == 0:
            time.sleep(0.5)
        raise CorpusError("no pairs")

    ended = with_ranks(2, work)
    assert [end.status for end in ended] == [2, 2]
    assert lines(ended) == ["npformer: no pairs"]


@pytest.mark.parametrize("hosted", [True, False], ids=["torchruns store", "rank 0s store"])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_ranks_add_gather_and_wait(size, hosted):
    def work(ranks):
        sums = ranks.sum(ranks.rank, 2.0**-40 + ranks.rank)
        told = [ranks.gather([ranks.rank, "x" * ranks.rank, {"a": 0.1}, None]) for _ in range(3)]
        ranks.barrier()
        return (ranks.rank, ranks.size), sums, told

    total = sum(range(size))
    told = [[r, "x" * r, {"a": 0.1}, None] for r in range(size)]
    found = results(with_ranks(size, work, hosted=hosted))
    for rank, result in enumerate(found):
        assert result == ((rank, size), [total, total + size * 2.0**-40], [told] * 3)


def test_a_barrier_holds_everybody():
    def work(ranks):
        time.sleep(0.2 * ranks.rank)
        came = time.monotonic()
        ranks.barrier()
        return came, time.monotonic()

    came, left = zip(*results(with_ranks(3, work)), strict=True)
    assert min(left) >= max(came)


def test_an_error_is_told_as_what_it_is():
    def work(ranks):
        (failure, _) = ranks.gather(CorpusError("no pairs") if ranks.rank == 0 else None)
        return type(failure), str(failure)

    assert results(with_ranks(2, work)) == [(CorpusError, "no pairs")] * 2


def test_ranks_wait_for_one_that_is_busy_longer_than_their_patience():
    def work(ranks):
        if ranks.rank == 0:
            time.sleep(3)
        return ranks.gather(ranks.rank)

    assert results(with_ranks(2, work, timeout=2)) == [[0, 1]] * 2


def test_ranks_do_not_wait_for_one_that_stands_still():
    def work(ranks):
        processes = ranks.gather(os.getpid())
        if ranks.rank == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        try:
            ranks.gather(None)
        finally:
            os.kill(processes[1], signal.SIGKILL)

    first, second = with_ranks(2, work, timeout=2)
    assert (first.status, second.status) == (2, -signal.SIGKILL)
    assert lines([first, second]) == [
        "npformer: rank 0 lost the others: rank 1 gave no sign of life for 2 seconds; continue "
        "with --resume"
    ]


@pytest.mark.parametrize("size", [2, 4])
def test_of_a_rank_that_dies_one_other_tells(size):
    def work(ranks):
        ranks.sum(1)
        if ranks.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        ranks.sum(1)

    ended = with_ranks(size, work)
    assert [end.status for end in ended] == [2, -signal.SIGKILL, 2, 2][:size]
    (line,) = lines(ended)
    assert re.fullmatch("npformer: rank 0 lost the others: .*; continue with --resume", line)


def test_a_rank_that_does_not_answer_is_not_waited_for():
    def work(ranks):
        ranks.sum(1)
        if ranks.rank == 1:
            time.sleep(2)
        ranks.sum(1)

    ended = with_ranks(2, work, timeout=1)
    assert [end.status for end in ended] == [2, 2]
    (line,) = lines(ended)
    assert "lost the others" in line


def test_an_error_of_one_rank_is_told_and_not_that_the_others_lost_it():
    def work(ranks):
        ranks.barrier()
        if ranks.rank == 1:
            raise CheckpointError("the disk is full")
        ranks.barrier()

    ended = with_ranks(4, work)
    assert [end.status for end in ended] == [2] * 4
    assert lines(ended) == ["npformer: the disk is full"]


def test_an_error_that_all_share_is_told_once():
    def work(ranks):
        ranks.barrier()
        raise NonFiniteError("the loss is nan")

    ended = with_ranks(4, work)
    assert [end.status for end in ended] == [2] * 4
    assert lines(ended) == ["npformer: the loss is nan"]


@pytest.mark.parametrize("missing", [1, 3])
def test_a_rank_that_never_comes_is_named(missing):
    ended = launch(4, _joins_unless({missing}))
    assert [end.status for end in ended] == [0 if rank == missing else 2 for rank in range(4)]
    (line,) = lines(ended)
    assert f"of 4 ranks, rank {missing} did not come within 3 seconds" in line


def test_without_rank_0_the_others_say_where_they_looked():
    ended = launch(2, _joins_unless({0}), hosted=False)
    (line,) = lines(ended)
    assert re.match(r"npformer: rank 1 found nobody at 127.0.0.1:\d+ within 3 seconds", line)


def test_a_place_to_meet_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (ended, _) = launch(
            2, _joins_unless({1}), hosted=False, environment=lambda rank: {"MASTER_PORT": port}
        )
    assert ended.status == 2
    (line,) = ended.err.splitlines()
    assert f"rank 0 cannot listen at 127.0.0.1:{port}" in line


def test_ranks_of_different_world_sizes_do_not_train_together():
    ended = launch(
        3,
        _joins_unless({2}),
        environment=lambda rank: (
            {"WORLD_SIZE": ["2", "3", "3"][rank], "LOCAL_WORLD_SIZE": "1"} | {"LOCAL_RANK": "0"}
        ),
    )
    assert [end.status for end in ended] == [2, 2, 0]
    (line,) = lines(ended)
    assert re.search("was started with WORLD_SIZE [23], others with [23]", line)


def test_a_rank_that_is_there_twice_is_refused():
    ended = launch(3, _joins_unless(set()), environment=lambda rank: {"RANK": str(rank % 2)})
    assert 2 in [end.status for end in ended]
    assert any("two processes have RANK 0" in line for line in lines(ended))


def _joins_unless(absent):
    from npformer.config import TwinConfig
    from torch_ref.train.ranks import join

    def work(rank):
        if rank not in absent:
            with join(TwinConfig(device="cpu", timeout=3)):
                pass

    return work


@contextlib.contextmanager
def gpus(monkeypatch, count):
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: count > 0)
        patch.setattr(torch.cuda, "device_count", lambda: count)
        patch.setattr(torch.cuda, "set_device", lambda device: None)
        yield


def test_each_rank_has_a_gpu_of_its_own(monkeypatch):
    place = Place(rank=5, size=8, local_rank=1, local_size=2)
    with gpus(monkeypatch, 2):
        assert choose_device("auto", place) == torch.device("cuda", 1)
        assert choose_device("cuda", place) == torch.device("cuda", 1)
        assert choose_device("cpu", place) == torch.device("cpu")
    with gpus(monkeypatch, 1), pytest.raises(ConfigError, match="2 ranks .* 1 GPU; .*-node 1"):
        choose_device("auto", place)
    with gpus(monkeypatch, 0):
        assert choose_device("auto", place) == torch.device("cpu")
        with pytest.raises(ConfigError, match="finds no GPU here"):
            choose_device("cuda", place)
