"""The console in a real browser, before a real server: what it shows and does, and for whom."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.browser import AXE, Console, browser, digits_sample, grey_png
from tests.harness.echo_repository import add_echo
from tests.harness.operator import FAST, Operator, until
from tests.harness.server_process import ServerProcess, serving

pytestmark = pytest.mark.slow

FORMATS = ("digits-onnx", "digits-savedmodel", "digits-torchscript")
MARKUP = '<img src=x onerror="window.hurt=1"><b>not bold</b>'
TEXT = [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
ATTACK = """async (admin) => {
  const send = (path, body, headers) =>
    fetch(admin + path, {method: "POST", mode: "no-cors", body, headers}).catch(() => "refused");
  const turns = "/v2/admin/models/turns";
  await send(turns + "/labels", '{"labels": {"evil": 1}}', {"content-type": "text/plain"});
  await send(turns + "/rollback", "", {});
  const headers = {"x-underway-console": "1"};
  return fetch(admin + "/console/v2/models/turns", {headers}).then(() => "told", () => "refused");
}"""
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("console") / "models"
    add_echo(folder, "says", inputs=TEXT)
    add_echo(folder, "turns", versions=(1,), labels={"stable": 1})
    add_echo(folder, "broken", options={"fail_load": MARKUP})
    return folder


@pytest.fixture(scope="module")
def chromium():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def at(chromium, root) -> Iterator[ServerProcess]:
    """Two frontends: what is tried is answered by the gateway's own part of the data plane."""
    with serving(root, arguments=(*FAST, "--frontends", "2", "--load-retries", "0")) as server:
        yield server


@contextmanager
def looking(chromium, server: ServerProcess) -> Iterator[Console]:
    """A page that is looked at: nothing leaves its origin, and nothing is complained of."""
    context = chromium.new_context(reduced_motion="reduce")
    shown = Console(context.new_page(), server)
    yield shown
    context.close()
    within = (f"{shown.origin}/", "data:", "blob:")
    assert [url for url in shown.asked if not url.startswith(within)] == []
    assert shown.complaints == []


@pytest.fixture
def console(chromium, at) -> Iterator[Console]:
    with looking(chromium, at) as shown:
        yield shown


@pytest.fixture
def digits(chromium, demo_server) -> Iterator[Console]:
    """The same at the server of the demo models, which is only asked things."""
    with looking(chromium, demo_server) as shown:
        yield shown


@pytest.fixture(scope="module")
def operator(at) -> Operator:
    return Operator(at)


# ---- seeing --------------------------------------------------------------------------------------


def test_a_swap_is_seen_while_it_happens(console, root):
    page = console.open("turns").page
    page.locator("header", has_text="version 1 answers").wait_for()

    (root / "turns" / "2").mkdir()

    page.locator("header", has_text="version 2 answers").wait_for()
    page.get_by_role("status").filter(has_text="turns: version 2 answers now").wait_for()
    assert page.get_by_role("row", name="2 · answers").locator(".chip").inner_text() == "ready"
    assert page.locator(".swaps .lane-name").all_text_contents() == ["v2", "v1"]
    happened = page.get_by_role("list", name="What happened to this model, newest first")
    assert "version 2" in happened.inner_text()


def test_what_is_asked_shows_in_the_numbers(console, operator):
    page = console.open().page
    rate = page.get_by_role("row", name="turns").locator("[data-name='Requests/s']")

    def asked() -> bool:
        assert operator.infer("turns").status_code == 200
        return rate.inner_text().strip("0.\N{EN DASH}") != ""

    until(asked)

    page.goto(f"{console.origin}/console/#/models/turns")
    page.get_by_text("per request, over the last two minutes").wait_for()
    assert (
        page.get_by_role("list", name="Executions by batch size").inner_text().startswith("1 row")
    )


def test_a_reason_that_holds_markup_is_shown_as_text(console):
    page = console.open("broken").page
    shown = page.get_by_role("region", name="Failures")

    shown.get_by_text(MARKUP).wait_for()

    assert page.locator("main img, main b").count() == 0
    assert page.evaluate("window.hurt") is None


# ---- trying --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", FORMATS)
def test_a_real_digit_is_recognised_in_each_format(digits, demo_repository, model):
    sample = digits_sample(demo_repository)
    pixels = [round(value * 255) for value in sample["image"]]
    image = grey_png(pixels, 8)
    page = digits.open(model).page

    page.get_by_label("Choose a file").set_input_files(
        {"name": "digit.png", "mimeType": "image/png", "buffer": image}
    )
    page.get_by_text("digit.png is loaded").wait_for()
    said = digits.run("class")

    assert f"class {sample['label']}" in said
    answer = page.locator(".result")
    assert answer.get_by_role("list", name="Probabilities of classes").locator("li").count() == 10
    assert answer.locator(".best .bar-name").inner_text() == f"class {sample['label']}"
    assert {"decode", "queue", "compute", "encode"} <= set(answer.locator("dt").all_inner_texts())


def test_a_digit_is_drawn_with_the_pointer(digits):
    page = digits.open("digits-onnx").page
    paper = page.get_by_role("application")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    turns = [2 * math.pi * step / 24 for step in range(25)]
    ring = [(0.5 + 0.18 * math.sin(turn), 0.5 - 0.3 * math.cos(turn)) for turn in turns]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ring]

    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()

    assert "class 0" in digits.run("class")


def test_a_digit_is_drawn_with_the_keyboard(digits):
    page = digits.open("digits-onnx").page
    page.get_by_role("application").focus()
    for key in ("ArrowUp",) * 4:
        page.keyboard.press(key)
    for _ in range(8):
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")

    page.get_by_text("row 8, column 5, set").wait_for(state="attached")
    assert "class 1" in digits.run("class")

    page.get_by_role("application").focus()
    page.keyboard.press("Delete")
    page.get_by_text("cleared").wait_for(state="attached")


def test_markup_that_a_model_answers_is_shown_as_text(console):
    page = console.open("says").page

    page.get_by_label("text", exact=True).fill(f"{MARKUP}\nanother row")
    console.run("answered")

    assert page.locator(".values li").all_inner_texts() == [MARKUP, "another row"]
    assert page.locator("main img, main b").count() == 0
    assert page.evaluate("window.hurt") is None


def test_a_request_may_be_edited_as_json(console):
    page = console.open("turns").page

    page.get_by_label("x", exact=True).fill("1.5 2")
    page.get_by_label("Edit as JSON").check()
    request = page.get_by_label("The request as JSON")
    assert '"FP32"' in request.input_value()
    request.fill(request.input_value().replace("1.5", "7.25"))
    console.run("answered")
    assert page.locator(".values li").all_inner_texts() == ["7.25", "2"]

    request.fill('{"inputs": []}')
    page.get_by_role("button", name="Run").click()
    page.get_by_role("alert").filter(has_text="x").wait_for()
    # A refusal is the browser's to note, too.
    console.forgive("400")


# ---- doing ---------------------------------------------------------------------------------------


def test_a_rollback_is_asked_for_and_done(console, root, operator):
    add_echo(root, "reverts", versions=(1, 2))
    page = console.open("reverts").page
    page.locator("header", has_text="version 2 answers").wait_for()

    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog", name="Roll reverts back?").get_by_role(
        "button", name="Roll back"
    ).click()

    page.locator("header", has_text="version 1 answers").wait_for()
    assert operator.answers("reverts") == "1"


def test_a_label_is_set_and_removed(console, operator):
    page = console.open("turns").page

    page.get_by_role("button", name="Label …").click()
    page.get_by_label("Label", exact=True).fill("canary")
    page.get_by_role("button", name="Set label").click()
    page.get_by_role("list", name="Labels").get_by_text("canary").wait_for()
    assert "canary" in operator.labels("turns")

    page.get_by_role("button", name="Remove the label canary").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    until(lambda: "canary" not in operator.labels("turns"))


def test_where_control_is_off_the_page_says_so_and_how_to_have_it(console):
    page = console.open("turns").page

    page.get_by_text("Load and unload are off").wait_for()
    assert "--model-control explicit" in page.locator(".actions").inner_text()
    assert page.get_by_role("button", name="Unload").count() == 0


def test_where_control_is_explicit_models_are_unloaded_and_loaded(chromium, tmp_path):
    add_echo(tmp_path, "mine")
    flags = (*FAST, "--model-control", "explicit", "--load-model", "mine", "--frontends", "1")
    with serving(tmp_path, arguments=flags) as server:
        context = chromium.new_context()
        console = Console(context.new_page(), server).open("mine")
        page = console.page
        console.run("answered")

        page.get_by_role("button", name="Unload").click()
        page.get_by_role("dialog").get_by_role("button", name="Unload").click()
        page.locator("header", has_text="not loaded").wait_for()

        page.get_by_role("button", name="Load", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Load").click()
        page.locator("header", has_text="version 1 answers").wait_for()
        assert Operator(server).answers("mine") == "1"
        context.close()


# ---- who may use it, and how ---------------------------------------------------------------------


def test_a_page_of_another_origin_cannot_act_through_the_browser(chromium, at, operator):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{at.url}/docs")
    before = operator.labels("turns"), operator.answers("turns")
    admin = f"http://127.0.0.1:{at.metrics_port}"

    told = page.evaluate(ATTACK, admin)

    assert told == "refused"
    assert (operator.labels("turns"), operator.answers("turns")) == before
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(chromium, at, demo_server, scheme):
    if not AXE.exists():
        pytest.skip("there is no axe-core: `make test` fetches it where there is npm")
    # Only what puts axe-core into the page is let past its policy.
    context = chromium.new_context(color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    console = Console(context.new_page(), at).open()
    assert console.faults() == []
    console.move_to("broken")
    assert console.faults() == []
    digits = Console(context.new_page(), demo_server).open("digits-onnx")
    digits.run("class")
    assert digits.faults() == []
    digits.page.get_by_role("button", name="Roll back").click()
    assert digits.faults() == []
    context.close()


def test_a_phone_scrolls_in_one_direction_only(chromium, at, demo_server):
    context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    console = Console(context.new_page(), at).open()
    width = "document.documentElement.scrollWidth"
    assert console.page.evaluate(width) == PHONE["width"]
    for model in ("turns", "says", "broken"):
        console.move_to(model)
        assert console.page.evaluate(width) == PHONE["width"], model
    digits = Console(context.new_page(), demo_server).open("digits-onnx")
    assert digits.page.evaluate(width) == PHONE["width"]
    context.close()


def test_a_theme_that_is_chosen_stays(console):
    page = console.open().page
    seen = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light = seen()

    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()

    page.get_by_role("button", name="Theme: dark").wait_for()
    assert seen() != light


# ---- decisions of the page -----------------------------------------------------------------------

CASES = [
    # An image may have its channels first or last, a batch dimension or none.
    ("try/kinds.js", "kindOf({datatype: 'FP32', shape: [-1, 1, 8, 8]}).kind", "image"),
    ("try/kinds.js", "kindOf({datatype: 'FP32', shape: [28, 28]}).kind", "image"),
    ("try/kinds.js", "kindOf({datatype: 'UINT8', shape: [-1, 224, 224, 3]}).planar", False),
    ("try/kinds.js", "kindOf({datatype: 'FP32', shape: [3, 224, 224]}).channels", 3),
    ("try/kinds.js", "kindOf({datatype: 'FP32', shape: [-1, 3, -1, -1]}).kind", "json"),
    ("try/kinds.js", "kindOf({datatype: 'FP16', shape: [1, 28, 28]}).kind", "json"),
    ("try/kinds.js", "kindOf({datatype: 'FP32', shape: [-1, 4]}).kind", "numbers"),
    ("try/kinds.js", "kindOf({datatype: 'INT64', shape: []}).elements", 1),
    ("try/kinds.js", "kindOf({datatype: 'BYTES', shape: [-1, 1]}).kind", "text"),
    ("try/kinds.js", "kindOf({datatype: 'BYTES', shape: [-1, 5]}).kind", "json"),
    ("totals.js", "quantile([0, 10, 0], [1, 2], 0.5)", 1.5),
    ("totals.js", "quantile([0, 0, 3], [0.1, 0.2], 0.5)", 0.2),
    ("totals.js", "quantile([0, 0, 0], [0.1, 0.2], 0.5) >= 0", False),
    ("totals.js", "grown(3, 10)", 0),
    ("api.js", "timings('queue;dur=1.5, total;dur=20')", [["queue", 1.5], ["total", 20]]),
    (
        "try/answer.js",
        "classesOf({datatype: 'FP32', shape: [1, 2], data: [0.25, 0.75]})",
        [[0.25, 0.75]],
    ),
    ("try/answer.js", "classesOf({datatype: 'FP32', shape: [1, 2], data: [0.25, 0.5]})", None),
    ("try/answer.js", "classesOf({datatype: 'FP32', shape: [0, 2], data: []})", None),
    (
        "lanes.js",
        """lanes([
          {version: 1, source: "NEW", target: "LOADING", time: 1},
          {version: 1, source: "LOADING", target: "READY", time: 3},
          {version: 2, source: "NEW", target: "LOADING", time: 4},
        ], 9)""",
        [
            {"version": 2, "parts": [{"state": "LOADING", "from": 4, "to": 9}]},
            {
                "version": 1,
                "parts": [
                    {"state": "LOADING", "from": 1, "to": 3},
                    {"state": "READY", "from": 3, "to": 9},
                ],
            },
        ],
    ),
]


def test_what_the_page_decides_by_itself(console):
    page = console.open().page

    for module, call, expected in CASES:
        address = f"{console.origin}/console/js/{module}"
        function, _, _ = call.partition("(")
        found = page.evaluate(f"import('{address}').then(({{{function}}}) => {call})")
        assert found == expected, call
