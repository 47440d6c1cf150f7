#!/bin/sh
# Writes .env for docker-compose: .env.example with every empty secret filled in. Readable by its owner alone; an existing file stays as it
# is.
#   sh deploy/write-env.sh [FILE]
set -eu
cd "$(dirname "$0")/.."
file=${1:-.env}
if [ -e "$file" ]; then
  echo "write-env: $file is there already; remove it first if its secrets are to change" >&2
  exit 1
fi
umask 077
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
  case $line in
    [A-Z]*=) printf '%s%s\n' "$line" "$(secret)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < .env.example > "$file.new"
mv "$file.new" "$file"
echo "wrote $file"
