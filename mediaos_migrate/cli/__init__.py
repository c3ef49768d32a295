"""The command line: parse, call one move, show, exit."""
