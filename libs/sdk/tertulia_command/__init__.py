"""Where the command `tertulia` begins: outside of the package `tertulia`, which loads gRPC, because gRPC looks only once, on
being loaded, at how much it is to log."""

import os

_VERBOSITY = "GRPC_VERBOSITY"


def main() -> None:
    """Run the command line. Ends the process."""
    unset = _VERBOSITY not in os.environ
    if unset:
        os.environ[_VERBOSITY] = "NONE"  # its lines would land in the midst of a chat, and say nothing to a user
    from tertulia import cli  # noqa: PLC0415 - now, and not before

    if unset:
        del os.environ[_VERBOSITY]  # not for the services that `serve` starts
    cli.main()
