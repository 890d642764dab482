import logging

import pytest
import torch
from torch import nn

from training.compiled import compiled


@pytest.mark.slow
def test_without_a_compiler_it_warns_and_goes_on(monkeypatch, caplog):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/nowhere/g++",))
    network = nn.Linear(2, 2)
    with caplog.at_level(logging.WARNING, logger="cleanplate"):
        assert compiled(network, "cpu") is network
    assert "compile: true has no effect: torch.compile does not work on 'cpu' here" in caplog.text
    assert "Install a C++ compiler" in caplog.text


def test_with_a_compiler_the_network_is_compiled(monkeypatch):
    monkeypatch.setattr("training.compiled._try", lambda device: None)
    network = nn.Linear(2, 2)
    module = compiled(network, "cpu")
    assert isinstance(module, torch._dynamo.OptimizedModule)
    assert module._orig_mod is network
