#!/usr/bin/env bash
# Something to look at: a team's conversations, and a real one of Ubuntu's IRC channel. Run again, it doubles nothing.
# The server runs already (`make run`), with the development application.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

name() { tertulia users set "$1" --name "$2" > /dev/null; }
name alice "Alice Moreau"
name bob "Bob Tanaka"
name carol "Carol Núñez"
name dan "Dan O'Brien"
name eva "Eva Lindqvist"

team() {
  tertulia import "docs/demo/$1.jsonl" --format jsonl --channel "$1"
  tertulia channels update "$1" --name "$2" > /dev/null
}
team launch "Launch 🚀"
team lunch "Lunch"
team design-team "Design team"
tertulia import tests/data/irc/*.txt --format irc --channel ubuntu
tertulia channels add ubuntu alice bob > /dev/null
echo "Follow the links that \`make run\` printed: Alice and Bob have something to read."
