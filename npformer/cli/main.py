"""``npformer COMMAND ...``: finds the command, and turns every expected error into one line.

A command's file is imported only when it is asked for, so that translating does not wait for
the verifier's imports and nothing needs PyTorch until something asks for it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import npformer
from npformer.cli.arguments import UsageError, parse
from npformer.cli.encoding import escapes, refused
from npformer.cli.page import wrapped
from npformer.errors import EXTRAS, NpformerError, missing, nearest

COMMANDS = {
    "verify": "check every hand-written gradient, against PyTorch and itself",
    "bisect": "name the first activation and gradient where two models part",
    "load": "read a model that somebody else has trained, as a run",
    "compare": "hold a published model against the library it was made for",
    "export": "write a loaded model, trained on perhaps, as the files it came in",
    "shard": "tokenise a corpus once into files that training maps into memory",
    "train": "train a model, in NumPy or with its PyTorch twin",
    "plan": "estimate what training needs: GPU memory, arithmetic, time, cost",
    "translate": "translate text with a trained model, by lines or paragraphs",
    "generate": "go on with a text, by a trained language model",
    "fill": "say what hidden tokens of a text are, by an encoder",
    "embed": "give each text a vector, by a loaded encoder",
    "transcribe": "write what is said in a recording, by a loaded model that hears",
    "evaluate": "score a trained model on sentences it has not seen",
    "attention": "draw what each head attends to in one sentence",
    "explore": "write one HTML page that shows tensors, gradients and attention",
    "exercise": "write the backwards yourself; mistakes are found and explained",
    "sweep": "train with many settings; leave a table and pictures",
    "bench": "time an engine and its baselines, side by side",
    "baseline": "train and score Hugging Face's MarianMTModel on the same batches",
    "completion": "print the script that completes commands and options in a shell",
}

RENAMED = {"neighbour": "baseline"}
"""Names that commands had before, which keep working throughout 0.2."""

WRITES_TEXT = ("translate", "generate", "fill", "embed", "transcribe")
"""Commands whose output is a text for others; what cannot be written there is an error."""

FIRST_STEPS = """\
A first session, a few minutes long:
  npformer verify --cases 20
  npformer train runs/first --preset tiny
  npformer translate runs/first "The old man does not see the red car."
  npformer attention runs/first "The old man does not see the red car."
  npformer explore --checkpoint runs/first --text "The old man does not see the red car."

npformer COMMAND --help explains a command's every option.
"""

BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for a failed check, 2 for bad input."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _complain(missing(package))
    except UnicodeEncodeError as error:
        return _complain(refused(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except MemoryError as error:
        return _complain(f"not enough memory: {error}" if str(error) else "not enough memory")
    except (NpformerError, IndexError) as error:
        return _complain(str(error))


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        with wrapped():
            print(_help())
        return 0
    if arguments[0] == "--version":
        print("npformer", npformer.__version__)
        return 0
    name, rest = arguments[0], arguments[1:]
    if name in RENAMED:
        print(f"npformer: {name} is now called {RENAMED[name]}", file=sys.stderr)
        name = RENAMED[name]
    if name not in COMMANDS:
        raise UsageError(
            f"command {name!r} does not exist; choose one of {', '.join(COMMANDS)}"
            + nearest(name, COMMANDS)
        )
    command = importlib.import_module(f"npformer.cli.{name}").Command
    default = command.default(rest) if hasattr(command, "default") else None
    with nullcontext() if name in WRITES_TEXT else escapes():
        return parse(command, f"npformer {name}", rest, default=default)()


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: npformer COMMAND [OPTIONS]",
            "",
            "The Transformer in NumPy, every backward pass derived by hand, beside a PyTorch twin.",
            "",
            *lines,
            "",
            FIRST_STEPS.rstrip(),
        ]
    )


def _complain(message: str, status: int = BAD_INPUT) -> int:
    print("npformer:", " ".join(message.split()), file=sys.stderr)
    return status
