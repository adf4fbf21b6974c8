"""What a plan must know of the outside world: data fingerprints, model identities, what a method reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from harness.keys import canonical, file_digest, folder_digest
from mvmlm.errors import DataError

if TYPE_CHECKING:
    from harness.config import CellConfig, DataConfig, LLMConfig


class Facts:
    """Looked up once a plan and remembered.

    Attributes
    ----------
    missing : dict
        Data set name to the one line that says why it cannot be read here; a plan is still made.
    fetched : dict
        Model to the setting that asks for it, where it is not on this machine and has to come from the hub.
    """

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self.fetched: dict[str, str] = {}
        self._fingerprints: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._llms: dict[str, dict] = {}
        self._weights: set[str] = set()
        self._digests: dict[str, str] = {}
        self._options: dict[str, dict] = {}
        self._prompts: dict[str, dict[str, list[str]]] = {}

    @cached_property
    def datasets(self) -> Any:
        """The registry of data sets."""
        from mvmlm.data.readers import DATASETS

        return DATASETS

    @cached_property
    def methods(self) -> Any:
        """The registry of methods."""
        from mvmlm.methods import METHODS

        return METHODS

    def simulated(self, cell: CellConfig) -> bool:
        """Whether the cell's data are simulated."""
        return bool(self.datasets.get(cell.data.name).simulated)

    def release(self, names: Iterable[str]) -> str:
        """Whether what is trained on these data sets may be released: the strictest answer of all."""
        from harness.stages.licence import WORDS

        said = {self.datasets.get(name).releasable for name in names}
        return WORDS[next((answer for answer in (False, None) if answer in said), True)]

    def data_options(self, data: DataConfig) -> dict:
        """The reader's options, defaults filled in, as plain JSON."""
        said = canonical([data.name, data.options])
        if said not in self._options:
            self._options[said] = as_declared(self.reader_options(data.name, data.options))
        return self._options[said]

    def reader_options(self, name: str, options: dict) -> Any:
        """The reader's own options object.

        Raises
        ------
        DataError
            When an option is not one of the reader's.
        """
        kind = self.datasets.get(name).Options
        known = [f.name for f in fields(kind)]
        wrong = [k for k in options if k not in known]
        if wrong:
            raise DataError(
                f"data.options.{wrong[0]}: the {name} reader has no such option (it has: {', '.join(known)})"
            )
        return kind(**options)

    def fingerprint(self, data: DataConfig) -> str:
        """The data set's content fingerprint; ``missing:<name>`` when the data are not here."""
        said = canonical([data.name, data.root, data.options])
        if said not in self._fingerprints:
            self._fingerprints[said] = self._fingerprint(data)
        return self._fingerprints[said]

    def text_identity(self, encoder: str) -> str:
        """A local model's digest, or the hub id as it is."""
        if encoder not in self._texts:
            from mvmlm.models.text_encoder import resolve_encoder

            path = Path(resolve_encoder(encoder))
            self._texts[encoder] = f"folder:{folder_digest(path)}" if path.is_dir() else f"hub:{encoder}"
            if not path.is_dir():
                self._want(encoder, "config.json", "text.encoder")
        return self._texts[encoder]

    def llm(self, llm: LLMConfig) -> dict:
        """What a language model's texts depend on: model and prompt by content, and how it is sampled."""
        from mvmlm.reports.answers import model_identity
        from mvmlm.reports.llm import RUNTIME
        from mvmlm.reports.prompts import Prompt

        said = canonical(llm.model_dump(mode="json"))
        if said not in self._llms:
            options = {k: v for k, v in llm.model_dump(mode="json").items() if k not in RUNTIME}
            if llm.backend != "transformers":
                options.pop("precision")
            identity = model_identity(llm.model) if llm.backend == "transformers" else f"server:{llm.model}"
            self._llms[said] = {"options": options, "model": identity, "prompt": Prompt(llm.prompt).digest}
            if identity.startswith("hub:"):
                self._want(llm.model, "config.json", "reports.llm.model")
        return self._llms[said]

    def want_weights(self, method: dict) -> None:
        """Look whether the pretrained weights that a method starts from are on this machine."""
        name = method.get("encoder")
        if not method.get("pretrained") or not name or name in self._weights:
            return
        import timm

        self._weights.add(name)
        known = timm.get_pretrained_cfg(name)
        if known is not None and known.hf_hub_id:
            self._want(known.hf_hub_id, known.hf_hub_filename or "model.safetensors", "method.encoder")

    def weights_identity(self, path: str) -> str:
        """Digest of a weight file's content; the path itself where the file is not here."""
        file = Path(path)
        if not file.is_file():
            self.missing[path] = f"method.weights: {path} is no file here"
            return f"missing:{path}"
        if path not in self._digests:
            self._digests[path] = f"file:{file_digest(file)}"
        return self._digests[path]

    def _want(self, model: str, file: str, setting: str) -> None:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            there = isinstance(try_to_load_from_cache(model, file), str)
        except HFValidationError:
            there = False
        if not there:
            self.fetched[model] = setting

    def prompts(self, task: str, file: str | None) -> dict[str, list[str]]:
        """Prompts of a task, class by class: those of a file, or those that come with the package."""
        from mvmlm.evaluation.prompts import prompts_of

        said = canonical([task, file])
        if said not in self._prompts:
            self._prompts[said] = prompts_of(task, file)
        return self._prompts[said]

    def has_label(self, task: str) -> bool:
        """Whether a task predicts a label, which rows that need no image can be fitted to as well."""
        from mvmlm.evaluation.tasks import TASKS

        return TASKS.get(task).kind != "report"

    def uses(self, method: str) -> frozenset[str]:
        """What a method reads beside images: text, loss, labels."""
        return self.methods.get(method).uses

    def method_options(self, method: dict) -> dict:
        """A method's name and the options that it reads, defaults filled in."""
        kind = self.methods.get(method["name"]).Options
        known = {f.name for f in fields(kind)}
        return {"name": method["name"], **as_declared(kind(**{k: v for k, v in method.items() if k in known}))}

    def _fingerprint(self, data: DataConfig) -> str:
        reader = self.datasets.get(data.name)
        options = self.reader_options(data.name, data.options)
        if reader.simulated:
            return reader.fingerprint(None, options)
        if not data.root:
            self.missing[data.name] = (
                f"data.root is not set: say where {reader.title} lies with --set data.root=FOLDER ({reader.where})"
            )
            return f"missing:{data.name}"
        try:
            return reader.fingerprint(Path(data.root).expanduser(), options)
        except DataError as error:
            self.missing[data.name] = str(error)
            return f"missing:{data.name}"


def as_declared(options: Any) -> dict:
    """Options as plain JSON, a whole number where a float is declared as one: ``0`` and ``0.0`` are the same work.

    Options that came later than the first results (``metadata={"later": True}``) are left out at their defaults, so
    that the keys of what was computed before stay.
    """
    hints = get_type_hints(type(options))
    later = {f.name: f.default for f in fields(options) if f.metadata.get("later")}
    said = {k: v for k, v in asdict(options).items() if k not in later or v != later[k]}
    return {k: float(v) if hints[k] is float and isinstance(v, int) else v for k, v in said.items()}
