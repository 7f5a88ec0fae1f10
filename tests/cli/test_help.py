"""`rcuactors --help` answers without importing what the commands need (rcuactors/cli/__init__.py)."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from rcuactors.cli import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    with click.Context(cli) as ctx:
        command = cli.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(limit=500) == cli.help_line(ctx, name) == COMMANDS[name].short_help


def test_every_command_is_listed_in_order() -> None:
    done = subprocess.run([sys.executable, "-m", "rcuactors", "--help"], capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line[2:3].isalpha()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_no_model_is_imported_for_an_answer(option: str) -> None:
    code = (
        "import sys\n"
        "from rcuactors.cli import main\n"
        "try:\n"
        f"    main(['{option}'])\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    assert "rcuactors.cli.program" in imported
    assert not imported & {"trio", "rich", "rcuactors.machine", "rcuactors.kapi", "rcuactors.runs", "rcuactors.compare"}


def test_the_package_lends_its_names_when_they_are_asked_for() -> None:
    code = (
        "import sys, rcuactors\n"
        "assert 'trio' not in sys.modules\n"
        "import rcuactors.scenario\n"
        "for name in rcuactors.__all__:\n"
        "    assert name in dir(rcuactors)\n"
        "    assert getattr(rcuactors, name) is getattr(rcuactors, name)\n"
        "from rcuactors import *\n"
        "assert callable(scenario) and callable(run) and Kernel\n"
        "try:\n"
        "    rcuactors.kernal\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "module 'rcuactors' has no attribute 'kernal'\n"
