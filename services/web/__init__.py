"""The browser's door: every public RPC over Connect, gRPC-Web and JSON on HTTP, and the web client's files."""
