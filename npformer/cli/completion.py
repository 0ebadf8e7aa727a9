"""``npformer completion``: the script by which a shell completes commands and options."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import tyro

from npformer.cli.arguments import completion
from npformer.cli.main import COMMANDS
from npformer.cli.settings import DEFAULT_PRESET
from npformer.files.atomic import write_file


@dataclass(frozen=True)
class Command:
    """Print the script by which a shell completes npformer's commands, options and their values.

    In bash the package bash-completion looks in the directory below; without it, source the script
    in ~/.bashrc. In zsh, ~/.zfunc must be in fpath before compinit runs. Write the script again
    after an update of npformer.

    Examples:
      npformer completion bash --out ~/.local/share/bash-completion/completions/npformer
      npformer completion zsh --out ~/.zfunc/_npformer
      npformer completion fish --out ~/.config/fish/completions/npformer.fish
    """

    shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]
    """Which shell is to read it."""
    out: Path | None = None
    """Write it to this file; its directory is made if it does not exist."""

    def __call__(self) -> int:
        script = completion(every_command(), "npformer", self.shell)
        if self.out is None:
            print(script, end="")
            return 0
        out = self.out.expanduser()
        out.parent.mkdir(parents=True, exist_ok=True)
        write_file(out, script.encode())
        print(f"{out}; it holds for shells that start from now on")
        return 0


def every_command() -> Any:
    """All commands as the alternatives of one, each with the options of the default preset."""
    alternatives = []
    for name, summary in COMMANDS.items():
        command = importlib.import_module(f"npformer.cli.{name}").Command
        options: dict[str, Any] = {"name": name, "description": summary, "prefix_name": False}
        if hasattr(command, "default"):
            options["default"] = command.default(["--preset", DEFAULT_PRESET])
        alternatives.append(Annotated[command, tyro.conf.subcommand(**options)])
    return Union[tuple(alternatives)]  # noqa: UP007  # their number is known at run time alone
