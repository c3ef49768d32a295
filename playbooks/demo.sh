#!/bin/sh
# Migrates a small MediaOS and brings it back, in a temporary folder that is removed at the end. Run by `make demo`.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
ENCRYPTION_KEY=mediaos-fixture-key-0123456789abcdef
export ENCRYPTION_KEY
unset MEDIAOS_MIGRATE_DATA MEDIAOS_MIGRATE_DB MEDIAOS_MIGRATE_APP

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp -R "$here/fixtures/mediaos" "$folder/config"
cp -R "$here/fixtures/mediaos" "$folder/before"
cd "$folder"

say() {
    printf '\n'
    printf '%s\n' "$@"
}

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

say "A MediaOS keeps everything it knows in JSON files in ./config. A copy of them, ./before, stays untouched." \
    "Most of its passwords are sealed; the app's own ENCRYPTION_KEY is set, as it would be on your server."
run ls config

say "First a rehearsal: the whole way there and back, but on a copy. Nothing in ./config changes."
run mediaos-migrate rehearse --data ./config

say "It went well, so now in earnest. The files stay; the database is put beside them."
run mediaos-migrate migrate --data ./config

say "Do files and database say the same? Every record of both is compared."
run mediaos-migrate validate --data ./config

say "Where does each document stand, and what would be the next step?"
run mediaos-migrate status --data ./config

say "The way back: all files once more, written from the database."
run mediaos-migrate export --data ./config --to ./exported

say "And are they the files that we began with?"
run diff -r before exported

say "diff has nothing to say: the export equals the source byte for byte."
