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

# The progress is left out: it is for runs that take longer.
run() {
    printf '\n$ %s\n' "$*"
    "$@" 2>told || { code=$? && grep -v '(safe to interrupt)$' told; return "$code"; }
}

say "A MediaOS keeps everything it knows in JSON files in ./config. A copy of them, ./before, stays untouched." \
    "Most of its passwords are sealed; the app's own ENCRYPTION_KEY is set, as it would be on your server."
run ls -C config

say "1. First a rehearsal: the whole way there and back, but on a copy. Nothing in ./config changes."
run mediaos-migrate rehearse

say "2. It went well, so now in earnest. The files stay; the database is put beside them."
run mediaos-migrate migrate

say "3. Do files and database say the same? Every record of both is compared."
run mediaos-migrate validate

say "4. A power cut leaves a file cut short. MediaOS would read it as empty; we refuse it, and say where it ends."
head -c 900 before/library.json >config/library.json
run mediaos-migrate migrate || printf '(exit code %s)\n' "$?"

say "5. The database still has it all. The way back writes every file again:"
run mediaos-migrate export --to exported

say "And are they the files that we began with?"
run diff -r before exported

say "diff has nothing to say: every file came back byte for byte."
