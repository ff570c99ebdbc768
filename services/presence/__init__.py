"""Who is online, and who types. Soft state: gateways tell it, leases end it, nothing is stored."""
