"""The prompt round a record: a prefix, the record, a suffix, as Jinja templates in files.

The paper's own words are not published; these are ours. A file has two blocks, ``system`` (may be empty) and ``user``,
and is given ``record``, the lines of the source ``tabular``, and ``fields``, field to value.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean
from mvmlm.reports.tabular import tabular_lines

if TYPE_CHECKING:
    from mvmlm.reports.record import Record

FOLDER = Path(__file__).parent
BLOCKS = ("system", "user")


def shipped() -> list[str]:
    """Names of the prompts that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.j2"))


class Prompt:
    """One prompt file.

    Parameters
    ----------
    name : str
        A shipped prompt's name, or the path of a file.

    Raises
    ------
    ConfigError
        If there is no such prompt, or it is no template with a block ``user``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = _path(name)
        try:
            self.text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"reports.llm.prompt: {self.path} cannot be read ({error})") from error
        if "user" not in self._template.blocks:
            raise ConfigError(f"reports.llm.prompt: {self.path} has no block named user (it has: {self._has()})")

    @property
    def digest(self) -> str:
        """Of the file's text, 12 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def render(self, record: Record) -> tuple[str, str]:
        """System and user message for a record.

        Raises
        ------
        ConfigError
            If the template uses a name that it is not given.
        """
        from jinja2 import TemplateError

        given = {"record": "\n".join(tabular_lines(record)), "fields": record.known()}
        try:
            return tuple(self._block(block, given) for block in BLOCKS)
        except TemplateError as error:
            raise ConfigError(f"reports.llm.prompt: {self.path}: {error} (it is given: record, fields)") from error

    @cached_property
    def _template(self):
        from jinja2 import StrictUndefined, TemplateSyntaxError
        from jinja2.sandbox import SandboxedEnvironment

        try:
            return SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True).from_string(self.text)
        except TemplateSyntaxError as error:
            raise ConfigError(f"reports.llm.prompt: {self.path}, line {error.lineno}: {error.message}") from error

    def _block(self, name: str, given: dict) -> str:
        if name not in self._template.blocks:
            return ""
        return "".join(self._template.blocks[name](self._template.new_context(given))).strip()

    def _has(self) -> str:
        return ", ".join(self._template.blocks) or "none"


def _path(name: str) -> Path:
    if name in shipped():
        return FOLDER / f"{name}.j2"
    path = Path(name).expanduser()
    if not path.is_file():
        known = shipped()
        raise ConfigError(
            f"reports.llm.prompt: there is no prompt {name!r}{did_you_mean(name, known)} (shipped: {', '.join(known)}; "
            "or the path of a file)"
        )
    return path
