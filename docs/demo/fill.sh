#!/usr/bin/env bash
# Something to look at: a team's conversation, and a real one of Ubuntu's IRC channel. Run again, it doubles nothing.
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

tertulia import docs/demo/design-team.jsonl --format jsonl --channel design-team
tertulia channels update design-team --name "Design team" > /dev/null
tertulia import tests/data/irc/*.txt --format irc --channel ubuntu
tertulia channels add ubuntu alice bob > /dev/null
echo "Follow the links that \`make run\` printed: Alice and Bob have something to read."
