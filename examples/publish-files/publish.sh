#!/bin/sh
# Checks visits.csv against the contract, which publishes nothing; then seals and publishes its rows.
# More arguments go to the second command.
set -eu
here=$(dirname "$0")
strongroom=${STRONGROOM:-$here/../../services/cli/bin/strongroom.mjs}

# Names of the file = names of the contract.
columns=time=at,station=place,count=weight

"$strongroom" producer publish --contract "$CONTRACT" --dataset visits-south \
  --source "$here/visits.csv" --columns "$columns" --dry-run
"$strongroom" producer publish --contract "$CONTRACT" --dataset visits-south \
  --source "$here/visits.csv" --columns "$columns" \
  --identity "$IDENTITY" --state "$STATE" --brokers "$BROKERS" "$@"
