"""What every engine of the logs promises. A new engine is one more parameter in `conftest`."""
