"""Settings, read from the environment and `.env`, each explained where it stands.

Every setting has a description and an example: the documentation's test reads them here.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from yarl import URL

from bridge.errors import SettingsError


def _url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host or re.search(r"\s", value):
        raise ValueError("is not a URL that starts with http:// or https://")
    if url.query_string or url.fragment:
        raise ValueError("must not have a query or a fragment")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    if value and not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", value):
        raise ValueError("is not a URL that starts with postgresql:// or sqlite:///")
    return value


def _redis_url(value: str) -> str:
    if value and URL(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("is not a URL that starts with redis://, rediss:// or unix://")
    return value


def comma_separated(value: Any) -> Any:
    """A list setting's text as a list; what is no text stays as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _strong(values: list[str]) -> list[str]:
    if any(len(value) < 32 for value in values):
        raise ValueError("must have at least 32 characters")
    return values


HttpUrl = Annotated[str, AfterValidator(_url)]


class EnvSettings(BaseSettings):
    """Base of all settings: the environment first, then `.env` in the working folder.

    An empty value counts as missing, so that `NAME=` in a copied `.env.example` changes nothing.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, frozen=True,
        populate_by_name=True,
    )  # fmt: skip


def setting(default: Any, *, env: str, example: str, description: str, **more: Any) -> Any:
    """A field that is read from the environment variable `env`."""
    return Field(default, validation_alias=env, examples=[example], description=description, **more)


Secrets = Annotated[list[str], NoDecode, BeforeValidator(comma_separated), AfterValidator(_strong)]


class Settings(EnvSettings):
    """What the gateway itself needs. Channels keep their settings in their own files."""

    database_url: Annotated[str, AfterValidator(_database_url)] = setting(
        "", env="DATABASE_URL", example="postgresql://bridge:secret@localhost:5432/bridge",
        description="Where everything is kept. Empty: an SQLite file in the data folder. "
        "`sqlite:///path/to/file.db` or `postgresql://user:password@host:port/name` "
        "(a socket folder as `?host=`).",
    )  # fmt: skip
    redis_url: Annotated[str, AfterValidator(_redis_url)] = setting(
        "", env="REDIS_URL", example="redis://localhost:6379/0",
        description="Wake-ups, typing and presence between processes. Empty: one process.",
    )  # fmt: skip
    data_dir: Path = setting(
        Path("data"), env="BRIDGE_DATA_DIR", example="/var/lib/bridge",
        description="The folder of files, of the SQLite database and of the generated secret.",
    )  # fmt: skip
    host: str = setting(
        "127.0.0.1", env="BRIDGE_HOST", example="0.0.0.0",
        description="The address to listen on. `0.0.0.0` is every address of the machine.",
    )  # fmt: skip
    port: int = setting(8080, env="BRIDGE_PORT", example="8080", ge=0, le=65535,
        description="The port to listen on. 0 takes a free one.",
    )  # fmt: skip
    public_url_setting: HttpUrl | None = setting(
        None, env="BRIDGE_PUBLIC_URL", example="https://chat.example.com",
        description="How vendors, agents and visitors reach this gateway. Empty: `http://localhost:<port>`.",
    )  # fmt: skip
    secret: Secrets = setting(
        [], env="BRIDGE_SECRET", example="a-long-random-text-of-at-least-32-characters",
        description="Signs links and visitors' tokens; several separated by commas: the first signs, "
        "all verify. Empty: made once and kept in the data folder. Must be set with PostgreSQL.",
    )  # fmt: skip
    business: str = setting(
        "Bridge", env="BRIDGE_BUSINESS_NAME", example="Bottega Lume",
        description="The name that customers see.",
    )  # fmt: skip
    log_format: Literal["auto", "json", "text"] = setting(
        "auto", env="BRIDGE_LOG_FORMAT", example="json",
        description="`json` or `text`; `auto` is text on a terminal and JSON elsewhere.",
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", env="BRIDGE_LOG_LEVEL", example="info", description="The least severe line that is logged.",
    )  # fmt: skip
    trusted_proxies: int = setting(
        0, env="BRIDGE_TRUSTED_PROXIES", example="1", ge=0, le=10,
        description="How many proxies of yours stand before the gateway: so many entries of "
        "`X-Forwarded-For` are believed when limits are counted per address.",
    )  # fmt: skip
    metrics: bool = setting(
        True, env="BRIDGE_METRICS", example="true",
        description="Whether `/metrics` answers. Close it where the port is open to the world.",
    )  # fmt: skip
    upload_limit: int = setting(
        20_000_000, env="BRIDGE_UPLOAD_LIMIT", example="20000000", ge=1, le=2_000_000_000,
        description="The largest file in bytes that is taken from an agent, a visitor or a vendor.",
    )  # fmt: skip
    reply_deadline: float = setting(
        24 * 3600, env="BRIDGE_REPLY_DEADLINE", example="86400", gt=0, le=72 * 3600,
        description="Seconds after which a reply that could not be sent is given up and shown as expired. "
        "Time in which its channel was down does not count, up to two days of it.",
    )  # fmt: skip
    send_timeout: float = setting(
        20, env="BRIDGE_SEND_TIMEOUT", example="20", gt=0, le=50,
        description="Seconds that a vendor has to answer a send. After that nobody knows whether it arrived.",
    )  # fmt: skip
    raw_events_days: int = setting(
        30, env="BRIDGE_RAW_EVENTS_DAYS", example="7", ge=0, le=365,
        description="Days that a vendor's events are kept as they came; customers' words are in them. "
        "0 is an hour. What could not be read is kept for longer: `bridge replay` lists it.",
    )  # fmt: skip

    @cached_property
    def public_url(self) -> str:
        """Where the gateway is reached, without a trailing slash."""
        return self.public_url_setting or f"http://localhost:{self.port}"

    @cached_property
    def database(self) -> str:
        """The database's URL, the SQLite file in the data folder when none is set."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'bridge.db'}"


T = TypeVar("T", bound=EnvSettings)


def read(kind: type[T], **given: Any) -> T:
    """Settings of `kind`; a `SettingsError` has one line per problem: name, problem, example."""
    try:
        return kind(**given)
    except ValidationError as error:
        raise SettingsError([_line(kind, dict(problem)) for problem in error.errors()]) from None


def read_all(*kinds: type[EnvSettings]) -> list[EnvSettings]:
    """Settings of every kind, or one `SettingsError` with the problems of all."""
    found: list[EnvSettings] = []
    problems: list[str] = []
    for kind in kinds:
        try:
            found.append(read(kind))
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return found


def _line(kind: type[EnvSettings], problem: dict[str, Any]) -> str:
    """`NAME: what is wrong. Example: NAME=…`. The value itself is not shown: it may be a secret."""
    message = str(problem["msg"]).removeprefix("Value error, ")
    place = str(problem["loc"][0]) if problem["loc"] else ""
    if not place:  # a rule over several settings names them itself
        return message
    field = next((f for name, f in kind.model_fields.items() if place in (name, f.validation_alias)), None)
    if field is None:
        return f"{place}: {message}"
    example = (field.examples or [""])[0]
    name = field.validation_alias
    return f"{name}: {message[0].lower()}{message[1:]}. Example: {name}={example}"
