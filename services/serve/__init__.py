"""`tertulia serve`: all of Tertulia on one machine, a real process per service, kept alive and stopped in order."""
