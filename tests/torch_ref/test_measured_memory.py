"""The count of what PyTorch allocates on the CPU."""

from __future__ import annotations

import os

import torch

from torch_ref.train.device import free_memory
from torch_ref.train.measured_memory import peak_allocated


def test_the_peak_is_of_what_exists_at_one_time():
    def work() -> None:
        a = torch.zeros(1000)
        b = a + 1  # 8000 bytes
        del a
        c = torch.cat([b, b, b])  # 16000
        del b, c
        torch.zeros(2000)

    assert peak_allocated(work) == 16_000


def test_room_that_an_operation_takes_for_itself_counts():
    def work() -> None:
        torch.arange(1000, dtype=torch.float32).sort(descending=True)

    assert peak_allocated(work) >= 4000 + 4000 + 8000


def test_nothing_is_nothing():
    assert peak_allocated(lambda: None) == 0


def test_free_memory_is_a_part_of_all():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < free_memory("cpu") <= total
