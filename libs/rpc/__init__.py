"""gRPC as every service speaks it: errors, servers, clients, the caller's identity."""
