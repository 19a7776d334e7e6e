"""Several processes that share a run, as torchrun starts them, but forked from one that has imported torch: much quicker."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed

from tests.command_line import SECONDS

PROCESSES = multiprocessing.get_context("forkserver")
# what a run imports; torch.optim imports torch._dynamo
PROCESSES.set_forkserver_preload(
    ["tests.training.test_distributed", "irg_experiments.experiments.lda.tasks", "torch._dynamo", "torch.utils.tensorboard"]
)
# otherwise gloo looks up the host's name, and warns where that is unknown
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class Outcome(NamedTuple):
    """The exit code of a process and what it printed."""

    code: int | None
    stdout: str
    stderr: str


def in_processes(number: int, folder: Path, function: Callable[..., None], *arguments: Any) -> list[Outcome]:
    """Calls the function in new processes, after their place among the others has been put into the environment.

    Args:
        number: of processes.
        folder: for what they print.
        function: importable by its name.
        arguments: of the function.
    """
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {"WORLD_SIZE": number, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.port, "TORCHELASTIC_USE_AGENT_STORE": True}
    shared["GLOO_SOCKET_IFNAME"] = LOOPBACK
    started = []
    for rank in range(number):
        environment = {name: str(value) for name, value in {**shared, "RANK": rank, "LOCAL_RANK": rank}.items()}
        streams = (folder / f"{rank}.out", folder / f"{rank}.err")
        process = PROCESSES.Process(target=_run, args=(environment, streams, function, arguments))
        process.start()
        started.append((process, streams))
    try:
        for process, _ in started:
            process.join(SECONDS)
    finally:
        for process, _ in started:
            process.kill()
    return [Outcome(process.exitcode, *(stream.read_text() for stream in streams)) for process, streams in started]


def _run(
    environment: dict[str, str], streams: tuple[Path, Path], function: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.update(environment)
    for number, path in enumerate(streams, 1):
        with path.open("w") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    torch.set_num_threads(1)
    function(*arguments)
