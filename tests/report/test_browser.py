"""The page as a browser shows it: whole, quiet, sorted, reached by keyboard, readable in the dark, by phone, in print.

Skipped where there is no Chromium or no playwright. SPARRING_SHOTS=folder keeps the pictures of what was looked at.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from folders import write_disagreement, write_run
from test_under_attack import told

from sparring.report import page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDTHS = {"desktop": 1280, "phone": 390}
PAPER = 703  # CSS pixels across A4 between margins of 12 mm

LIGHT = """
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const luminance = rgb => [.2126, .7152, .0722].reduce((sum, part, i) => sum + part * linear(rgb[i] / 255), 0);
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + .05) / (low + .05);
  };
"""
# How many texts there are, and [contrast (WCAG 2.1) with what lies beneath, text] of those that fall short of 4.5:1.
# What lies beneath is asked of the browser, point by point; a background that is not opaque is laid over the next.
CONTRAST = (
    "() => {"
    + LIGHT
    + """
  const over = (top, below) => [0, 1, 2].map(i => (top[3] ?? 1) * top[i] + (1 - (top[3] ?? 1)) * below[i]);
  const page = channels(getComputedStyle(document.body).backgroundColor);
  const paint = each => {
    const style = getComputedStyle(each);
    if (!(each instanceof SVGElement) || each.tagName === "svg") return channels(style.backgroundColor);
    if (each.tagName === "text" || style.fill === "none") return [0, 0, 0, 0];
    return [...channels(style.fill).slice(0, 3), Number(style.fillOpacity)];
  };
  const beneath = (element, x, y) => {
    const layers = document.elementsFromPoint(x, y).filter(each => !element.contains(each));
    if (layers.some(each => each.matches("img, image"))) return null;  // a photograph's colours are its own
    const own = element instanceof SVGElement ? [] : [element];
    return [...own, ...layers].map(paint).reverse().reduce((ground, layer) => over(layer, ground), page);
  };
  const short = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement, range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getClientRects()[0];
    if (!node.textContent.trim() || !element.checkVisibility() || !box || box.width < 1) continue;
    const ground = beneath(element, box.x + box.width / 2, box.y + box.height / 2);
    if (!ground) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const found = contrast(channels(element instanceof SVGElement ? style.fill : style.color), ground);
    seen += 1;
    if (found < (size >= 24 ? 3 : 4.5)) short.push([found, node.textContent.trim()]);
  }
  return [seen, short];
}"""
)
# The colours of figures' lines and areas, as their legends have them, with how they stand out from the page.
COLOURS = (
    "() => {"
    + LIGHT
    + """
  const page = channels(getComputedStyle(document.body).backgroundColor);
  const found = [...document.querySelectorAll(".legend :is(path, rect, circle)")].map(each => getComputedStyle(each));
  const colours = new Set(found.map(style => style.stroke === "none" ? style.fill : style.stroke));
  return [...colours].map(colour => [contrast(channels(colour), page), colour]);
}"""
)


def rich(root: Path) -> Path:
    """A folder of runs with something for every part of the page, their names as long as they come."""
    scored = {"accuracy": 0.7487, "nll": 1.0}
    teacher = {"name": "resnet32x4", "test": scored, "validation": scored, "parameters": 7433860, "macs": 1.08e9}
    long = {"eps": 0.1, "size": 0.03571, "warmup": 3.0}
    ways = {"ce": 0.70, "kd": 0.725, "da": 0.732, "kd-simkd": 0.69, "at": 0.65}
    for number, (method, accuracy) in enumerate(ways.items()):
        for seed in (0, 1):
            path = root / f"{method}/seed-{seed}"
            more = {
                "steps": 300,
                "batches": 300 + 30 * number,
                "data_share": 0.1 * number,
                "seconds": 100.0 * 4**number,
            }
            more |= {} if method == "ce" else {"teacher_facts": teacher}
            more |= {"changes": {f"perturb.{key}": value for key, value in long.items()}} if number > 3 else {}
            more |= {"seconds_before": 50.0} if method == "kd" else {}
            write_run(path, method=method, seed=seed, accuracy=accuracy + (seed * number % 3) / 500, **more)
            measure(path, accuracy - seed / 100)
    write_disagreement(root / "da/seed-0")
    write_disagreement(root / "da/seed-1")
    for seed in (0, 1):
        write_run(root / f"other/seed-{seed}", method="ce", student="vgg8", seed=seed)
    write_run(root / "late", finished=False)
    for seed in (0, 1):
        told(root / f"da/seed-{seed}", remarks=["a remark"])
    pictures(root / "da/seed-0")
    return root


def measure(path: Path, accuracy: float) -> None:
    """Accuracies on corrupted images and gradients, as their verbs leave them in a run."""
    levels = {"0": accuracy, "1": accuracy - 0.1, "5": accuracy - 0.4}
    told = {"benchmark": "CIFAR-C", "source": "made here", "part": "test", "images": 10000, "clean": accuracy}
    told |= {"accuracy": {"fog": levels, "gaussian_noise": levels}}
    (path / "corruptions.json").write_text(json.dumps(told))
    layers = [
        {"name": f"layer{1 + n // 3}.{n}.conv", "stage": f"stage {1 + n // 3}", "shape": [8, 8], "mean": 1e-4 * (n + 1)}
        for n in range(9)
    ]
    stages = {f"stage {n}": 1e-4 * n for n in (1, 2, 3)}
    seen = {"epoch": 2, "steps": 10, "loss": 2.0, "norm": 0.5, "layers": layers, "stages": stages}
    (path / "gradients.json").write_text(json.dumps(seen))


def pictures(path: Path) -> None:
    """What an augmentor made of some images, and the losses around a student."""
    g = np.random.default_rng(0)
    np.savez_compressed(
        path / "augmentor.npz",
        images=g.random((3, 8, 3, 16, 16), dtype=np.float32),
        rows=np.array(["as they are", "at the start", "at the end"]),
        titles=np.array([f"class {n}" for n in range(8)]),
    )
    x = np.linspace(-1, 1, 11)
    surface = (x[:, None] ** 2 + x[None] ** 2 + 0.1)[None].repeat(2, 0)
    np.savez_compressed(
        path / "landscape.npz",
        x=x,
        y=x,
        axes=np.array(["towards the start", "at random"]),
        losses=np.array(["cross-entropy, nats", "kd, nats"]),
        surfaces=surface,
        points=np.array(["start", "end"]),
        at=np.array([[0.9, 0.0], [0.0, 0.0]]),
        off=np.zeros(2),
        lost=np.array([[0.9, 0.9], [0.1, 0.1]]),
        images=np.array(512),
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A rich page in a browser, and what the browser said and asked for while it was open."""
    root = tmp_path_factory.mktemp("browser")
    address = page(rich(root / "runs"), root / "report.html").as_uri()
    said: list[str] = []
    with sync_api.sync_playwright() as tool:
        browser = tool.chromium.launch_persistent_context(
            root / "profile", executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        tab = browser.pages[0]
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
        tab.on("request", lambda request: None if request.url == address else said.append(f"asked: {request.url[:80]}"))
        tab.goto(address)
        yield tab, said
        browser.close()


def shown(tab, width: int, scheme: str = "light", media: str = "screen", height: int = 900) -> None:
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme, media=media)


def keep(tab, name: str) -> None:
    """Leave a picture for people where they asked for one."""
    if folder := os.environ.get("SPARRING_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def column(tab, head: str, table: int = 0) -> list[str]:
    """The cells' keys of a column, from the top."""
    return tab.evaluate(
        """([head, number]) => {
          const table = document.querySelectorAll("table.results")[number];
          const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.trim() === head);
          return [...table.tBodies[0].rows].map(row => row.cells[at].dataset.key);
        }""",
        [head, table],
    )


def results(tab) -> int:
    """The number, among all tables, of the first group's results."""
    labels = tab.eval_on_selector_all("table.results", "all => all.map(each => each.parentElement.ariaLabel)")
    return labels.index("Results on the test set")


def press(tab, head: str, table: int) -> str | None:
    button = tab.locator("table.results").nth(table).get_by_role("button", name=head, exact=True)
    button.click()
    return button.locator("..").get_attribute("aria-sort")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_is_wider_than_the_window(seen, width):
    tab, said = seen
    shown(tab, width)
    wide = tab.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(wide[:2]) <= wide[2] == width
    keep(tab, f"{width}-light")
    assert said == []


def test_a_heading_sorts_its_column(seen):
    tab, _ = seen
    shown(tab, WIDTHS["desktop"])
    at = results(tab)
    head = "training time"
    assert press(tab, head, at) == "descending"
    numbers = [float(key) for key in column(tab, head, at)]
    assert numbers == sorted(numbers, reverse=True)
    assert [str(number) for number in numbers] != sorted(map(str, numbers), reverse=True)  # as words they are not
    assert press(tab, head, at) == "ascending"
    assert [float(key) for key in column(tab, head, at)] == sorted(numbers)
    for way in ("descending", "ascending"):
        assert press(tab, "difference to baseline, points", at) == way
        keys = column(tab, "difference to baseline, points", at)
        assert keys[-1] == ""
        assert "" not in keys[:-1]
        filled = [float(key) for key in keys[:-1]]
        assert filled == sorted(filled, reverse=way == "descending")
    assert press(tab, "method", at) == "ascending"
    assert column(tab, "method", at) == sorted(column(tab, "method", at))
    assert tab.locator("table.results").nth(at).locator("[aria-sort]").count() == 1


def test_the_keyboard_reaches_and_sorts(seen):
    tab, _ = seen
    shown(tab, WIDTHS["phone"])
    at = results(tab)
    button = tab.locator("table.results").nth(at).get_by_role("button", name="epochs", exact=True)
    button.focus()
    tab.keyboard.press("Enter")
    assert button.locator("..").get_attribute("aria-sort") == "descending"
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Tab")  # so that the focus is one of the keyboard's
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    box = tab.locator(".wide").filter(has=tab.locator("table.results")).nth(at)
    box.focus()
    before = box.evaluate("each => each.scrollLeft = 0")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("each => each.scrollLeft > 0", arg=box.element_handle(), timeout=2000)
    assert before == 0


def test_links_lead_somewhere_and_figures_speak(seen):
    tab, _ = seen
    lost = "all => all.map(each => each.hash.slice(1)).filter(name => !document.getElementById(name))"
    assert tab.eval_on_selector_all("a[href^='#']", lost) == []
    assert tab.locator("nav a").count() > 8
    other = (
        "all => all.filter(each => document.getElementById(each.id).outerHTML !== each.outerHTML).map(each => each.id)"
    )
    assert tab.eval_on_selector_all("[id]", other) == []  # a figure that is there twice has its marks twice
    names = tab.eval_on_selector_all("figure > svg[role=img]", "all => all.map(each => each.ariaLabel)")
    assert len(names) > 9
    assert all(names)
    assert any("validation accuracy, % over epoch" in name for name in names)
    assert tab.locator("figure > svg").count() == len(names)
    assert tab.locator("img:not([alt])").count() == 0
    assert tab.locator("figure:not(:has(figcaption))").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(seen, scheme):
    tab, _ = seen
    shown(tab, WIDTHS["desktop"], scheme)
    keep(tab, f"1280-{scheme}")
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    shown(tab, WIDTHS["desktop"], scheme, height=min(tab.evaluate("document.documentElement.scrollHeight"), 16000))
    count, short = tab.evaluate(CONTRAST)
    assert count > 300
    assert short == []
    colours = tab.evaluate(COLOURS)
    assert len(colours) > 4
    assert [pair for pair in colours if pair[0] < 3] == []


def test_paper_holds_every_table_and_everything_folded(seen, tmp_path):
    tab, said = seen
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    shown(tab, PAPER, "dark", "print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    over = """all => { const edge = document.body.getBoundingClientRect().right + 1;
      const wide = all.filter(each => each.getBoundingClientRect().right > edge);
      return wide.map(each => each.parentElement.ariaLabel); }"""
    assert tab.eval_on_selector_all("table", over) == []
    assert tab.eval_on_selector_all("svg, img", over) == []
    keep(tab, "print")
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = false)")
    tab.evaluate(
        "addEventListener('beforeprint', () => window.opened = !document.querySelector('details:not([open])'))"
    )
    tab.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert tab.evaluate("window.opened")
    assert tab.locator("details[open]").count() == 0  # as it was found
    assert said == []
