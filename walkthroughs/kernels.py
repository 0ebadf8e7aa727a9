"""Kernels that are forks of one process, which has imported what chapters import.

That takes three seconds of a processor's time, and each of the site's chapters has a kernel of its
own. Otherwise they are what Jupyter would start: in the chapter's directory, with its environment,
in a group of processes of their own.
"""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

BACKEND = "module://matplotlib_inline.backend_inline"
"""What a kernel tells Matplotlib to take; it looks for the kernel while it is imported."""
IMPORTED = (
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "torch",
    "npformer.inspect",
    "npformer.verify",
    "torch_ref.bridge",
)


class Kernel(ForkServerProcess):
    """A kernel's process, with what Jupyter asks of a ``Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, file: str, directory: str, variables: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._given = file, directory, variables

    def run(self) -> None:
        """Serve until told to stop, or until the process that was forked ends."""
        from ipykernel.kernelapp import IPKernelApp

        file, directory, variables = self._given
        os.setsid()
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(directory)
        IPKernelApp.launch_instance(["-f", file, f"--IPKernelApp.parent_handle={os.getppid()}"])

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        if self.pid is not None and self.poll() is None:
            os.kill(self.pid, number)


class Forked(LocalProvisioner):
    """Starts a kernel as a fork."""

    async def launch_kernel(self, cmd: list[str], **given: Any) -> KernelConnectionInfo:
        self.cwd = given.get("cwd") or os.getcwd()
        self.process = Kernel(self.parent.connection_file, str(self.cwd), dict(given["env"]))
        self.process.start()
        self.pid = self.pgid = self.process.pid
        return self.connection_info


def fork_kernels() -> None:
    """Have this process's kernels started so."""
    os.environ.setdefault("MPLBACKEND", BACKEND)  # Matplotlib reads it once, in the first process
    ForkServerContext().set_forkserver_preload(list(IMPORTED))
    factory = KernelProvisionerFactory.instance()
    name = "forked"
    factory.provisioners[name] = EntryPoint(
        name, f"{__name__}:{Forked.__name__}", factory.GROUP_NAME
    )
    factory.default_provisioner_name = name
