"""`underway models`: look at a running server's models and tell it what to do with them."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.cli_shown import token_shown
from server.cli_tls import refused_by_tls, tls_options

TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server answers clients and where it answers operators, and what it is shown, "" for
    nothing.
    """

    url: str
    admin_url: str
    token: str = ""

    def ask(self, method: str, path: str) -> Any:
        """The JSON answer of its REST port."""
        return _call(method, self.url + path, self.token)

    def ask_operators(self, method: str, path: str, document: object = None) -> Any:
        """The JSON answer of its operators' port."""
        return _call(method, self.admin_url + path, self.token, document)


@click.group(invoke_without_command=True)
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    envvar="UNDERWAY_URL",
    show_envvar=True,
    help="REST address of the server.",
)
@click.option(
    "--admin-url",
    default="http://127.0.0.1:8002",
    show_default=True,
    envvar="UNDERWAY_ADMIN_URL",
    show_envvar=True,
    help="Address of its metrics port, which also takes labels and rollbacks.",
)
@click.option(
    "--token-file",
    type=click.File(),
    help="File with the token to show, where the server wants one; - for standard input.",
)
@click.option("--token", envvar="UNDERWAY_TOKEN", show_envvar=True, default="",
              help="The same by environment: a command line can be seen by others.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the index as JSON.")
@tls_options
@click.pass_context
def models(
    context: click.Context,
    url: str,
    admin_url: str,
    token_file: TextIO | None,
    token: str,
    as_json: bool,
) -> None:
    """List a running server's models with their versions and states, or change them.

    \b
    underway models                        what is there
    underway models label digits stable=3  point a label at a READY version
    underway models rollback digits        back to the version before
    underway models history digits         what happened
    underway models load digits            under --model-control explicit
    """
    shown = token_shown(token_file, token)
    context.obj = Server(url.rstrip("/"), admin_url.rstrip("/"), shown)
    if context.invoked_subcommand is None:
        index = context.obj.ask("POST", "/v2/repository/index")
        if as_json:
            click.echo(json.dumps(index, indent=2))
        else:
            _print("model version state reason", [
                [e["name"], e.get("version", ""), e.get("state", ""), e.get("reason", "")]
                for e in index
            ])  # fmt: skip


@models.command()
@click.argument("model")
@click.pass_obj
def load(server: Server, model: str) -> None:
    """Load MODEL, or take up what changed of it; returns when it is READY."""
    server.ask("POST", f"/v2/repository/models/{_quoted(model)}/load")
    click.echo(f"{model} is loaded")


@models.command()
@click.argument("model")
@click.pass_obj
def unload(server: Server, model: str) -> None:
    """Unload MODEL; returns when its requests are answered and its memory is free."""
    server.ask("POST", f"/v2/repository/models/{_quoted(model)}/unload")
    click.echo(f"{model} is unloaded")


@models.command()
@click.argument("model")
@click.argument("pairs", metavar="LABEL=VERSION...", nargs=-1)
@click.pass_obj
def label(server: Server, model: str, pairs: tuple[str, ...]) -> None:
    """Point labels of MODEL at READY versions (`stable=3`), remove one (`old=`), or list them."""
    path = f"/v2/admin/models/{_quoted(model)}/labels"
    if pairs:
        answer = server.ask_operators("POST", path, {"labels": dict(_pair(pair) for pair in pairs)})
    else:
        answer = server.ask_operators("GET", path)
    _print("label version", [[k, str(v)] for k, v in sorted(answer["labels"].items())])


@models.command()
@click.argument("model")
@click.pass_obj
def rollback(server: Server, model: str) -> None:
    """Turn MODEL back to the version before; the one turned from is not served again."""
    path = f"/v2/admin/models/{_quoted(model)}/rollback"
    click.echo(f"{model} is back at version {server.ask_operators('POST', path)['version']}")


@models.command()
@click.argument("model", required=False)
@click.option("--limit", default=50, show_default=True, help="How many entries.")
@click.pass_obj
def history(server: Server, model: str | None, limit: int) -> None:
    """What happened to the versions of MODEL, or of all models."""
    of_model = f"models/{_quoted(model)}/" if model else ""
    answer = server.ask_operators("GET", f"/v2/admin/{of_model}history?limit={limit}")
    _print("time model version from to after_s cause reason", [
        [datetime.fromtimestamp(e["time"]).strftime("%m-%d %H:%M:%S"), e["model"],
         str(e["version"]), e["source"], e["target"], f"{e['seconds']:.2f}", e["cause"],
         e["reason"]]
        for e in answer["history"]
    ])  # fmt: skip


def _pair(text: str) -> tuple[str, int | None]:
    name, separator, version = text.partition("=")
    if not separator or (version and not version.isdecimal()):
        raise click.UsageError(f"expected LABEL=VERSION or LABEL=, got '{text}'")
    return name, int(version) if version else None


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _call(method: str, url: str, token: str, document: object = None) -> Any:
    """The server's JSON answer; a refusal or no answer ends the command with one clear line."""
    body = None if document is None else json.dumps(document).encode()
    try:
        request = urllib.request.Request(url, body, method=method)  # noqa: S310  # the user's URL
        if token:
            # Not for wherever that server may send us.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            content = answer.read()
            return json.loads(content) if content else {}
    except urllib.error.HTTPError as refusal:
        raise click.ClickException(_reason(refusal)) from None
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if told := refused_by_tls(url, reason):
            raise click.ClickException(told) from None
        raise click.ClickException(
            f"no Underway server answers at {url} ({reason}). Is it running? See `underway serve`"
        ) from None


def _reason(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{refusal.url} answered {refusal.code}"


def _print(columns: str, rows: list[list[str]]) -> None:
    table = Table()
    for column in columns.split():
        table.add_column(column, overflow="fold")  # a name cut short could be another's
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: brackets in a reason are no markup
    Console().print(table)
