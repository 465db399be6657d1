"""The command line inside the test's own process: fast, and open to monkeypatching."""

import pytest
from typer.testing import CliRunner

from mien.cli.main import app


@pytest.fixture
def cli():
    """Function that runs one command; the result has ``exit_code``, ``stdout``, ``stderr``."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
