"""ladder.yaml -> the models of the ladder, in order: which are trained, with which params, and which are made of those.

DVC reads the same file for the lists in dvc.yaml.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ladder import params_file
from ladder.core.errors import InputError

PATH = "ladder.yaml"


class Record(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rung(Record):
    """A trained model: the group of params that is its recipe, and the further groups that it reads."""

    made: Literal["trained"]
    recipe: str
    reads: tuple[Literal["aug", "se", "distill"], ...]


class Derived(Record):
    """A model made of trained ones: by the ensemble's vote, or as an ONNX file."""

    made: Literal["voted", "deployed"]


class Ladder(Record):
    """`rungs`: the trained models. `ladder`: all models that are scored, from the bottom up, the rungs among them."""

    rungs: dict[str, Rung]
    ladder: dict[str, Rung | Derived]

    @property
    def recipes(self) -> tuple[str, ...]:
        """The groups of params that are recipes, each once."""
        return tuple(dict.fromkeys(rung.recipe for rung in self.rungs.values()))

    @property
    def taught(self) -> tuple[str, ...]:
        """The recipes that a rung with a teacher has."""
        return tuple(dict.fromkeys(rung.recipe for rung in self.rungs.values() if "distill" in rung.reads))

    @property
    def teachers(self) -> tuple[str, ...]:
        """The rungs that a student may learn from: all that learn from no other."""
        return tuple(name for name, rung in self.rungs.items() if "distill" not in rung.reads)

    def answers(self) -> dict[str, str]:
        """The path of each model's predictions."""
        return {name: f"predictions/{model.made}/{name}.npz" for name, model in self.ladder.items()}


def read(path: str | Path = PATH) -> Ladder:
    """Read and check ladder.yaml. Raises InputError that lists what is wrong."""
    try:
        return Ladder.model_validate(params_file.load_yaml(path))
    except ValidationError as error:
        problems = params_file.describe(error, Ladder, {})
        raise InputError("\n  ".join([f"{path} (which models there are, and how they are made):", *problems])) from None
