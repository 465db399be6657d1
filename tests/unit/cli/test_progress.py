"""The bar: only for people, only when it takes long, gone when it is over."""

import pytest

from mien.cli import progress
from mien.cli.progress import bar


@pytest.fixture
def terminal(monkeypatch):
    """Standard error looks like a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)


def test_a_bar_shows_what_rate_and_how_far(terminal, impatient, capsys):
    with bar("counting sheep") as advance:
        for done in range(1, 4):
            advance(done, 8)
    captured = capsys.readouterr()
    assert captured.out == ""
    for part in ("counting sheep", "3/8", "/s", "left"):
        assert part in captured.err


def test_the_bar_goes_away_at_the_end(terminal, impatient, capsys):
    with bar("counting") as advance:
        advance(1, 2)
    assert capsys.readouterr().err.endswith("\x1b[2K")  # the line is erased


def test_nothing_within_the_first_seconds(terminal, capsys):
    with bar("counting") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_nothing_in_a_pipe(impatient, capsys):
    with bar("counting") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_nothing_when_hidden(terminal, impatient, capsys):
    with bar("counting", hidden=True) as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_nothing_when_nothing_happens(terminal, impatient, capsys):
    with bar("counting"):
        pass
    assert capsys.readouterr().err == ""


class Costly:
    """Something whose length takes work to find out."""

    def __init__(self):
        self.asked = 0

    def __len__(self):
        self.asked += 1
        return 40


def test_a_total_is_counted_once_and_only_for_a_bar(terminal, impatient, capsys):
    total = Costly()
    with bar("counting") as advance:
        for done in range(1, 5):
            advance(done, total)
    assert total.asked == 1
    assert "4/40" in capsys.readouterr().err


def test_a_number_may_change_on_the_way(terminal, impatient, capsys):
    with bar("counting") as advance:
        advance(1, 90)
        advance(2, 40)
    assert "2/40" in capsys.readouterr().err


def test_a_total_is_not_counted_for_nobody(impatient):
    total = Costly()
    with bar("counting") as advance:
        advance(1, total)
    assert total.asked == 0


def test_an_error_takes_the_bar_away_and_comes_through(terminal, impatient, capsys):
    def work():
        with bar("counting") as advance:
            advance(1, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err.endswith("\x1b[2K")
