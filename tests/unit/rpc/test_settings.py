"""A service that is to meet another one beyond this machine without TLS does not start, and says at which of its addresses."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from libs.runtime.settings import ServiceSettings
from tests.unit.runtime.test_settings_page import SERVICES

ADDRESSES = ("Address ", "Some nodes ")
"""How descriptions of addresses begin: one that is added is expected to be looked at."""

NOT_BETWEEN_SERVICES = {("gateway", "listen"), ("web", "listen")}
TLS = dict.fromkeys(("service_certificate", "service_key", "service_ca", "cassandra_ca", "gateway_ca"), Path("a.pem"))
every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.service)


def met_at(service: type[ServiceSettings]) -> set[str]:
    """The settings that say where it meets other parts of Tertulia."""
    described = {name for name, field in service.model_fields.items() if str(field.description).startswith(ADDRESSES)}
    return {name for name in described - {"probes_listen"} if (service.service, name) not in NOT_BETWEEN_SERVICES}


def far_away(service: type[ServiceSettings], **more: object) -> ServiceSettings:
    """Its settings, with all of those on other machines."""
    given = {**dict.fromkeys(met_at(service), "elsewhere:1"), "listen": "0.0.0.0:1", "store": "cassandra", **more}
    return service.model_validate({name: value for name, value in given.items() if name in service.model_fields})


@every_service
def test_without_tls_it_names_all_addresses_that_are_elsewhere(service: type[ServiceSettings]) -> None:
    with pytest.raises(ValidationError) as refused:
        far_away(service)
    [complaint] = refused.value.errors()
    named, _, _ = complaint["msg"].removeprefix("Value error, ").partition(": without TLS")
    assert set(named.split(", ")) == met_at(service)
    assert set(far_away(service, trust_network=True).beyond_this_machine()) == met_at(service)


@every_service
def test_with_tls_everywhere_the_network_need_not_be_trusted(service: type[ServiceSettings]) -> None:
    assert far_away(service, bus_address="tls://elsewhere:1", **TLS).beyond_this_machine() == []


@every_service
def test_a_certificate_needs_its_key_and_who_has_signed_those_of_others(service: type[ServiceSettings]) -> None:
    for missing in ("service_certificate", "service_key", "service_ca"):
        if missing in service.model_fields:
            with pytest.raises(ValidationError, match="need each other"):
                far_away(service, trust_network=True, **{**TLS, missing: None})
