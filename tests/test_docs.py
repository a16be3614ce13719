"""The documentation cannot rot: what it says about settings, commands, channels and code is true."""

from __future__ import annotations

import ast
import hmac
import importlib
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

import bridge.channels
from bridge.channels.base import Channel, Site
from bridge.errors import BadWebhook
from bridge.models import Inbound, Webhook
from bridge.settings import EnvSettings

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs/adr").glob("*.md"))


def settings() -> dict[str, FieldInfo]:
    """Every setting of the gateway and of its channels, by the name of its environment variable."""
    for module in pkgutil.iter_modules(bridge.channels.__path__):
        importlib.import_module(f"bridge.channels.{module.name}")
    kinds = [kind for kind in EnvSettings.__subclasses__() if kind.__module__.startswith("bridge.")]
    fields = [field for kind in kinds for field in kind.model_fields.values()]
    return {str(field.validation_alias): field for field in fields}


def in_the_table(name: str, field: FieldInfo) -> str:
    """A setting as its row in docs/configuration.md must be."""
    default = f"`{text}`" if (text := default_of(field)) else ""
    description = str(field.description).replace("|", "\\|")
    return f"| `{name}` | {default} | {description} Example: `{example_of(field)}` |"


def in_the_example(name: str, field: FieldInfo) -> str:
    """A setting as its lines in .env.example must be; an empty value is the default."""
    description = str(field.description).replace("`", "")
    lines = textwrap.wrap(description, 98, break_long_words=False, break_on_hyphens=False)
    if default := default_of(field):
        lines.append(f"Default: {default}")
    if example_of(field) != default:
        lines.append(f"Example: {example_of(field)}")
    return "".join(f"# {line}\n" for line in lines) + f"{name}=\n"


def default_of(field: FieldInfo) -> str:
    """The default as one would write it into .env."""
    default: Any = field.default
    if default in (None, "", []):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def example_of(field: FieldInfo) -> str:
    """The example beside the setting."""
    return str((field.examples or [""])[0])


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_explained_and_documented(name: str) -> None:
    """A setting that nobody can find is not there; what is written twice must say the same."""
    field = settings()[name]
    row, lines = in_the_table(name, field), in_the_example(name, field)
    assert row in (ROOT / "docs/configuration.md").read_text(), f"docs/configuration.md lacks:\n{row}"
    assert lines in (ROOT / ".env.example").read_text(), f".env.example lacks:\n{lines}"


def test_no_setting_is_documented_that_is_gone() -> None:
    """A setting that does nothing is worse than a missing one."""
    shown = set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    listed = set(
        re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    )
    only_compose = {"POSTGRES_PASSWORD"}
    assert shown == listed == {*settings(), *only_compose}


def test_the_example_is_valid_as_it_is() -> None:
    """`cp .env.example .env` is the first thing that everybody does."""
    lines = [
        line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Z0-9_]+=", line) for line in lines), "values are for the reader to fill in"


@pytest.mark.parametrize("name", settings())
def test_every_example_of_a_setting_is_taken(name: str) -> None:
    """An example that is refused teaches the wrong thing."""
    field = settings()[name]
    TypeAdapter(Annotated[(field.annotation, "as the setting", *field.metadata)]).validate_python(
        example_of(field)
    )


def test_every_channel_has_samples_of_what_its_vendor_sends() -> None:
    """Our reading of a payload is only as good as the payloads it was tried on."""
    for kind in bridge.channels.KINDS:
        channel = cast(type[Channel], kind.channel)
        if not channel.pulled:
            assert list((ROOT / "tests/channels/samples").glob(f"{channel.type}*")), channel.type


def test_every_command_in_the_readme_is_in_the_makefile() -> None:
    """The two commands are what people try first."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        commands = set(re.findall(r"\bmake ([a-z]+)", page.read_text()))
        assert commands, page.name
        assert commands <= targets, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    """A dead link on the way in is where a newcomer gives up."""
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.name)
def test_a_decision_is_short_and_complete(page: Path) -> None:
    """A decision is read when somebody wants to change it: it must say why, and quickly."""
    text = page.read_text()
    assert len(text.splitlines()) <= 45
    assert re.search(r"^# \d+\. ", text)
    assert "**Status** " in text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_decisions_are_numbered_without_gaps() -> None:
    """ "See 7" must mean one thing."""
    assert [int(page.name[:4]) for page in ADRS] == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_that_is_named_exists(page: Path) -> None:
    """`inbox.py: Inbox.receive` in a page is a promise that it can be found there."""
    for path, name in re.findall(r"`([a-z_/]+\.py): ([A-Za-z_.]+)`", page.read_text()):
        file = ROOT / "bridge" / path
        assert file.is_file(), path
        assert name in names_in(file), f"{path}: {name}"


def names_in(file: Path) -> set[str]:
    """The functions, classes, methods and constants of a module, as `name` and `Class.name`."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name")}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_the_channel_in_the_documentation_works() -> None:
    """Whoever adds a channel copies this one: it must read what its vendor signs, and refuse the rest."""
    page = (ROOT / "docs/channels.md").read_text()
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code
    names: dict[str, Any] = {"__name__": "acme"}
    exec(compile(code[1], "docs/channels.md", "exec"), names)
    channel = names["AcmeChannel"](
        names["AcmeSettings"].model_construct(key="k-12345678"),
        Site(public_url="https://a.example", secrets=()),
    )
    body = b'{"id": "7", "sender": "anna", "text": "Hello"}'
    signature = hmac.new(b"k-12345678", body, "sha256").hexdigest()
    hook = Webhook(path="acme", url="", headers={"x-acme-signature": signature}, body=body)
    assert channel.parse(hook) == [Inbound(key="7", urn="acme:anna", external_id="7", text="Hello")]
    with pytest.raises(BadWebhook):
        channel.parse(Webhook(path="acme", url="", headers={}, body=body))
