#!/bin/sh
# assemble-all.sh FOLDER: what every image holds, of what `tsc -b` and the builds of the pages have made.
set -eu
for service in attestation key-release producer enclave-worker analyst; do
  deploy/images/assemble.sh "$1/$service" "$service"
done
deploy/images/assemble.sh "$1/command" cli enclave-worker

# The production images hold no simulator: neither its entries nor its package files.
for service in attestation enclave-worker analyst; do
  cp -R "$1/$service" "$1/$service-simulated"
done
for service in attestation key-release producer enclave-worker analyst; do
  find "$1/$service" -path '*/dist/*insecure*' -not -path '*/node_modules/.pnpm/*' -delete
done
