"""What to ask of a Slurm cluster for each training: a YAML file of the user's."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from pydantic import BaseModel, ConfigDict, ValidationError

from ltbench.errors import UsageError
from ltbench.runs.executors.interface import Options
from ltbench.yaml_file import read_keys


class Profile(BaseModel):
    """One training's share of a cluster; the names are those of `sbatch`, where it has them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus: Annotated[int, Ge(0)] = 1
    cpus: Annotated[int, Gt(0)] = 4
    memory: str | None = None  # such as 16GB
    minutes: Annotated[int, Gt(0)] | None = None  # by default as estimated
    at_once: Annotated[int, Gt(0)] = 256  # trainings of this command that run at the same time
    setup: tuple[str, ...] = ()  # lines of the shell before Python, such as `module load cuda`
    interrupt: Literal["cancel", "leave"] = "cancel"  # what Ctrl-C does to the jobs
    options: dict[str, str | int | bool] = {}  # any other of sbatch

    @classmethod
    def read(cls, path: Path) -> "Profile":
        """Return the profile in a file; raises UsageError in one sentence."""
        content = read_keys(path, "profile", "clusters.md")
        try:
            return cls.model_validate_json(json.dumps(content, default=str))
        except ValidationError as error:
            first = error.errors()[0]
            key = first["loc"][0] if first["loc"] else "the file"
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise UsageError(f"{path}: unknown key {key!r}; known: {known}.") from None
            raise UsageError(f"{path}: {key}: {first['msg'].rstrip('.')}.") from None

    def parameters(self, minutes: int, options: Options) -> dict[str, Any]:
        """Return what submitit passes to sbatch for jobs of some minutes."""
        named = {"partition": self.partition, "account": self.account, "qos": self.qos,
                 "constraint": self.constraint, "mem": self.memory}  # fmt: skip
        found: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        if self.gpus and options.places[0] != "cpu":
            found["gpus_per_node"] = self.gpus
        if self.setup:
            found["setup"] = list(self.setup)
        return found | {
            "job_name": "ltbench", "time": minutes, "cpus_per_task": self.cpus,
            "signal_delay_s": round(options.signal_before), "array_parallelism": self.at_once,
            "additional_parameters": {"requeue": True, **self.options},
        }  # fmt: skip
