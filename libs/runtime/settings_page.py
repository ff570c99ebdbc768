"""Writes the page that documents settings out of the models that hold them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from libs.runtime.settings import CONFIG_FILE_VARIABLE, SECRETS_VARIABLE, ServiceSettings, environment_prefix

_HEAD = f"""# Settings

Made from the settings models; do not edit. `python -m tests.unit.runtime.test_settings_page` writes it anew.

A service reads each setting from its environment variable, else from a file of that name (in any case) in the directory that
`{SECRETS_VARIABLE}` names, else from its table in the TOML file that `{CONFIG_FILE_VARIABLE}` names, else takes the default. A table with a key that is no setting keeps the service from starting, and so does a value
that is missing or wrong; the log names it. `tertulia serve` sets the addresses, `drain_seconds` and where data is kept by
itself, and hands everything else on from its own environment.

```toml
[gateway]
log_level = "debug"
```
"""


def settings_page(services: Iterable[type[ServiceSettings]]) -> str:
    """The page, in Markdown, with a section per service: its own settings first, then those that every service has."""
    common = set(ServiceSettings.model_fields)
    sections = [_HEAD]
    for service in services:
        fields = service.model_fields
        own = [name for name in fields if name not in common]
        sections.append(f"\n## {service.service}\n\n" + _table(service, [*own, *(n for n in fields if n in common)]))
    return "".join(sections)


def _table(service: type[ServiceSettings], names: Iterable[str]) -> str:
    prefix = environment_prefix(service.service)
    rows = ["| setting | environment variable | type | default | |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        field = service.model_fields[name]
        description = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{name}` | `{prefix}{name.upper()}` | {_type(field)} | {_default(field)} | {description} |")
    return "\n".join(rows) + "\n"


def _type(field: FieldInfo) -> str:
    """The type in words, with its bounds."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    names: dict[object, str] = {
        bool: "`true` or `false`",
        int: "integer",
        float: "number",
        str: "text",
        Path: "path",
        Path | None: "path",
        SecretStr: "secret text",
    }
    bounds = [text for text in map(_bound, field.metadata) if text]
    return ", ".join([names.get(annotation, str(annotation)), *bounds])


def _bound(rule: object) -> str:
    match rule:
        case Ge(ge=value):
            return f"≥ {value}"
        case Gt(gt=value):
            return f"> {value}"
        case Le(le=value):
            return f"≤ {value}"
        case Lt(lt=value):
            return f"< {value}"
        case _:
            return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()  # one that stands in the source is no secret
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "empty" if default in {"", None} else f"`{default}`"
