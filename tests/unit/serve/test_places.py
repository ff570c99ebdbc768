"""The data directory of a `serve`, and the files and ports around it."""

import socket
import subprocess
from pathlib import Path

import pytest

from libs.runtime.errors import CannotStart
from services.serve.places import MAX_LOG_BYTES, bound_log, free_port, require_free, taken


def fail_if_waiting(message: str) -> None:
    pytest.fail(f"nothing was to be waited for: {message}")


def test_the_data_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with taken(tmp_path / "deep" / "data", fail_if_waiting) as places:
        assert places.data.stat().st_mode & 0o777 == 0o700
        assert places.sockets.stat().st_mode & 0o777 == 0o700
        assert places.logs.is_dir()


def test_a_second_serve_of_a_directory_is_refused(tmp_path: Path) -> None:
    with (
        taken(tmp_path, fail_if_waiting),
        pytest.raises(CannotStart, match="another `tertulia serve` uses"),
        taken(tmp_path, fail_if_waiting),
    ):
        pass
    with taken(tmp_path, fail_if_waiting):
        pass


def test_processes_that_an_earlier_serve_left_are_waited_for(tmp_path: Path) -> None:
    with taken(tmp_path, fail_if_waiting) as places:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[places.lock])  # as a child of a supervisor that was killed
    waits: list[str] = []

    def end_it(message: str) -> None:
        waits.append(message)
        child.kill()
        child.wait()

    with taken(tmp_path, end_it):
        assert len(waits) == 1


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="cannot use the data directory"), taken(tmp_path / "file", fail_if_waiting):
        pass


def test_sockets_move_to_a_short_place_when_their_path_would_be_too_long(tmp_path: Path) -> None:
    with taken(tmp_path / ("long" * 40), fail_if_waiting) as places:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(places.sockets / "message_store.sock"))
        assert not places.sockets.is_relative_to(tmp_path)
    assert not places.sockets.exists(), "a temporary directory is removed"


def test_a_log_is_cut_once_it_has_grown_too_large(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    bound_log(log)
    assert not log.exists()
    log.write_bytes(b"x" * MAX_LOG_BYTES)
    bound_log(log)
    assert log.stat().st_size == MAX_LOG_BYTES
    with log.open("ab") as writer:
        writer.write(b"y")
        writer.flush()
        bound_log(log)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert log.with_name("gateway.log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CannotStart, match=f"127.0.0.1:{port} is taken"):
            require_free(port, "--port")
    require_free(port, "--port")


def test_a_free_port_is_none_that_passing_connections_take() -> None:
    lowest, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert free_port() < int(lowest)


def test_a_log_that_is_too_large_is_cut_though_the_disk_has_no_room_for_a_copy(tmp_path: Path) -> None:
    log = tmp_path / "store.log"
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    (tmp_path / "store.log.1").symlink_to("/dev/full")
    bound_log(log)
    assert log.stat().st_size == 0
