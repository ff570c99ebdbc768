"""Where settings come from, and what is said when they are wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import Field

from libs.runtime.errors import CannotStart
from libs.runtime.settings import CONFIG_FILE_VARIABLE, SECRETS_VARIABLE, ServiceSettings, is_local, load_settings


class PigeonSettings(ServiceSettings, service="pigeon"):
    """Settings of a service that there is only here."""

    range_km: int = Field(default=100, ge=1, description="How far it flies.")
    key: str = Field(default="", max_length=8, description="A secret.")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "tertulia.toml"
    monkeypatch.setenv("TERTULIA_PIGEON_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv(CONFIG_FILE_VARIABLE, str(path))
    path.write_text("")
    return path


def refusal() -> str:
    with pytest.raises(CannotStart) as caught:
        load_settings(PigeonSettings)
    message = str(caught.value)
    assert "\n" not in message, "one line"
    return message


def test_the_environment_beats_the_file_and_the_file_beats_the_default(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(PigeonSettings).range_km == 100
    config.write_text("[pigeon]\nrange_km = 200\n[owl]\nrange_km = 7\n")
    assert load_settings(PigeonSettings).range_km == 200
    monkeypatch.setenv("TERTULIA_PIGEON_RANGE_KM", "300")
    assert load_settings(PigeonSettings).range_km == 300


def test_no_file_is_needed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del config
    monkeypatch.delenv(CONFIG_FILE_VARIABLE)
    assert load_settings(PigeonSettings).listen == "127.0.0.1:0"


def test_an_unknown_key_in_the_services_table_is_named(config: Path) -> None:
    config.write_text("[pigeon]\nrnage_km = 200\n")
    assert "pigeon: rnage_km:" in refusal()


def test_a_missing_setting_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del config
    monkeypatch.delenv("TERTULIA_PIGEON_LISTEN")
    assert "listen: Field required" in refusal()


def test_wrong_values_are_named_all_at_once_and_none_is_shown(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('[pigeon]\nkey = "secret-and-too-long"\n')
    monkeypatch.setenv("TERTULIA_PIGEON_RANGE_KM", "0")
    monkeypatch.setenv("TERTULIA_PIGEON_LOG_LEVEL", "loud")
    monkeypatch.setenv("TERTULIA_PIGEON_METRICS_LISTEN", "nowhere")
    message = refusal()
    for name in ("key", "range_km", "log_level", "metrics_listen"):
        assert f" {name}: " in message
    assert "secret-and-too-long" not in message


@pytest.mark.parametrize("content", [b"[pigeon", b"\xff", b"pigeon = 3"])
def test_a_file_that_cannot_be_used_is_named(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    assert str(config) in refusal()


def test_a_file_that_is_not_there_is_an_error(config: Path) -> None:
    config.unlink()
    assert str(config) in refusal()


def test_a_secret_is_a_file_named_as_the_environment_variable(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[pigeon]\nkey = "in toml"\nrange_km = 200\n')
    secrets = tmp_path / "secrets"
    (secrets / "..data").mkdir(parents=True)  # as Kubernetes mounts them
    (secrets / "..data" / "TERTULIA_PIGEON_KEY").write_text("in file\n")
    (secrets / "TERTULIA_PIGEON_KEY").symlink_to("..data/TERTULIA_PIGEON_KEY")
    (secrets / "TERTULIA_OWL_KEY").write_text("not for pigeons")
    monkeypatch.setenv(SECRETS_VARIABLE, str(secrets))
    settings = load_settings(PigeonSettings)
    assert (settings.key, settings.range_km) == ("in file", 200)
    monkeypatch.setenv("TERTULIA_PIGEON_KEY", "in env")
    assert load_settings(PigeonSettings).key == "in env"


def test_a_directory_of_secrets_that_is_not_there_is_an_error(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del config
    monkeypatch.setenv(SECRETS_VARIABLE, str(tmp_path / "nowhere"))
    assert f"{SECRETS_VARIABLE}={tmp_path / 'nowhere'}" in refusal()


class LoftSettings(ServiceSettings, service="loft"):
    """Settings of a service that meets another one, without TLS."""

    pigeon: str = Field(description="Where that is.")

    def in_the_open(self) -> Mapping[str, str]:
        return {"listen": self.listen, "pigeon": self.pigeon}


@pytest.mark.parametrize(
    "address", ["unix:/run/p.sock", "127.0.0.1:1,localhost:2", "dns:///[::1]:1", "nats://a:b@127.0.0.2:1"]
)
def test_what_stays_on_this_machine_needs_no_tls(address: str) -> None:
    assert is_local(address)
    assert LoftSettings(listen="127.0.0.1:0", pigeon=address).beyond_this_machine() == []


@pytest.mark.parametrize(
    "address", ["", ":1", "0.0.0.0:1", "[::]:1", "pigeon:1", "127.0.0.1:1,pigeon:1", "nats://127.0.0.1:a@pigeon:1"]
)
def test_what_leaves_it_without_tls_is_refused_or_the_network_is_said_to_be_trusted(address: str) -> None:
    assert not is_local(address)
    with pytest.raises(ValueError, match="pigeon: without TLS only unix: and loopback addresses are taken") as refused:
        LoftSettings(listen="127.0.0.1:0", pigeon=address)
    assert "listen" not in str(refused.value.args)
    assert LoftSettings(listen="127.0.0.1:0", pigeon=address, trust_network=True).beyond_this_machine() == ["pigeon"]
