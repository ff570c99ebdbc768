"""Bringing conversations from elsewhere: parsers that know a format and nothing else, and the importer that sends."""
