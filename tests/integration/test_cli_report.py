"""`mien report` from a table to a page that a real browser draws and prints without a network."""

import re
import shutil
import subprocess

import pytest
from followed import talk, write
from typer.testing import CliRunner

from mien.cli.main import app
from mien.rows import TableColumns
from mien.sinks import PeopleSink, open_sink

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "people.parquet"
    write(open_sink(path, columns=TableColumns(smoothed=True)), talk())
    return path


def run(*arguments):
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return result.exit_code, result.stderr


def test_a_table_becomes_a_page(table, tmp_path):
    out = tmp_path / "report.html"
    code, told = run(table, "--out", out, "--title", "A talk", "--balance")
    assert code == 0
    assert re.fullmatch(r".*report\.html written: \d\.\d MB, needs no network\.\n", told)
    html = out.read_text("utf-8")
    assert "<h1>A talk</h1>" in html
    assert "balance +0.38" in html
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_several_tables_share_a_page(table, tmp_path):
    write(open_sink(tmp_path / "b.csv", columns=TableColumns(smoothed=True)), talk(source="b.mp4"))
    assert run(table, tmp_path / "b.csv", "--out", tmp_path / "r.html")[0] == 0
    assert "People in 2 clips" in (tmp_path / "r.html").read_text("utf-8")


def test_a_clip_that_is_not_there_is_a_remark_and_the_page_is_made(table, tmp_path):
    code, told = run(table, "--out", tmp_path / "r.html", "--keyframes")
    assert code == 0
    assert told.splitlines()[0] == "clip.mp4: is not there any more, so there are no key frames."
    assert "clip.mp4: is not there any more" in (tmp_path / "r.html").read_text("utf-8")


def test_mistakes_are_one_line_and_leave_the_old_page(table, tmp_path):
    out = tmp_path / "r.html"
    out.write_text("old")
    write(PeopleSink(tmp_path / "summary.csv"), talk())
    for arguments, words in (
        ((table, "--out", tmp_path / "r.pdf"), "must end in .html"),
        ((tmp_path / "none.csv", "--out", out), "there is no such file"),
        ((tmp_path / "summary.csv", "--out", out), "one row a face"),
    ):
        code, told = run(*arguments)
        assert code == 2
        assert words in told
        assert told.count("\n") == 1
    assert out.read_text() == "old"


# --- in a browser --------------------------------------------------------------------------------

PROBE = """<script>
addEventListener("error", (event) => console.log("PROBE error " + event.message));
addEventListener("unhandledrejection", (event) => console.log("PROBE rejected " + event.reason));
addEventListener("securitypolicyviolation", (event) =>
  console.log("PROBE blocked " + event.violatedDirective + " " + event.blockedURI));
HTMLAnchorElement.prototype.click = function () {
  console.log("PROBE download " + this.download + " " + this.href.slice(0, 14));
};
const wait = setInterval(() => {
  if (!document.body.dataset.ready) return;
  clearInterval(wait);
  const person = document.querySelectorAll("[role=slider]")[1];
  const say = () => console.log("PROBE at " + person.getAttribute("aria-valuetext"));
  const press = (key) => person.dispatchEvent(new KeyboardEvent("keydown", { key }));
  console.log("PROBE drawn " + document.querySelectorAll(".plot .main-svg").length);
  for (let k = 0; k < 20; k++) press("ArrowRight");
  say();
  while (!person.getAttribute("aria-valuetext").includes("not seen")) press("ArrowRight");
  say();
  for (const format of ["svg", "png"]) document.querySelector(`[data-format=${format}]`).click();
}, 50);
</script></head>"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium here")

    def look(page, *options):
        """Open a page with every connection leading nowhere; returns what the console says."""
        command = [found, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--enable-logging=stderr", "--virtual-time-budget=8000"]
        command += ["--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>"]
        command += [f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
        return re.findall(r'CONSOLE[^"]*"(.*)", source', done.stderr)

    return look


def test_a_browser_draws_the_page_without_a_network(table, tmp_path, browser):
    page = tmp_path / "r.html"
    assert run(table, "--out", page)[0] == 0
    html = page.read_text("utf-8")
    page.write_text(html.replace("</head>", PROBE, 1), "utf-8")
    shot = tmp_path / "r.png"
    console = browser(page, "--window-size=1000,1400", f"--screenshot={shot}")
    assert [line for line in console if not line.startswith("PROBE")] == []
    drawn, moving, gone, *downloads = console
    assert drawn == "PROBE drawn 15"  # three layers a figure
    assert re.fullmatch(r"PROBE at 0:0\d\.\d, surprise 60 %, fear 40 %", moving)
    assert gone == "PROBE at not seen from 0:03.0 to 0:04.0"
    assert sorted(downloads) == [
        "PROBE download clip-overview.png data:image/png",
        "PROBE download clip-overview.svg data:image/svg",
    ]
    from PIL import Image

    colours = Image.open(shot).convert("RGB").getcolors(1 << 20)
    many = {colour for count, colour in colours if count > 2000}
    assert {(255, 255, 255), (211, 218, 225), (245, 201, 44), (69, 189, 242)} <= many


def test_a_browser_prints_the_page(table, tmp_path, browser):
    page, paper = tmp_path / "r.html", tmp_path / "r.pdf"
    assert run(table, "--out", page)[0] == 0
    assert browser(page, "--no-pdf-header-footer", f"--print-to-pdf={paper}") == []
    data = paper.read_bytes()
    assert data.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) in (2, 3)
