#!/usr/bin/env bash
# What the parties of docker-compose.yml do before anything is computed, in three steps, because each
# needs services that the one before made possible:
#
#   prepare     organisations with their secrets, certificates, the simulated platform
#   introduce   the attestation service is up: tell the owners whom to believe
#   agree       key release is up: keys, contract, signatures, release policies
#
# In life every party does its part on its own machine and sends only public files. Here one container
# plays all of them, each with a volume of its own: /west, /east, /authority, /worker, /platform; what
# everybody may see is in /public. A step that was done is not done again.
set -euo pipefail
umask 077

owners=(west east)
attestation=https://attestation:8480
export CA_FILE=/public/ca.crt STRONGROOM='node /app/services/cli/bin/strongroom.mjs'
strongroom() { $STRONGROOM "$@"; }

prepare() {
  [ ! -f /public/platform-roots.json ] || return 0
  # A try that was interrupted left halves, which nobody has used.
  rm -rf /public/* /attestation/* /worker/* /platform/* /authority/* /west/* /east/*
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
    -subj /CN=strongroom-compose -keyout /tmp/ca.key -out "$CA_FILE" 2>/dev/null
  mkdir /attestation/tls
  certify attestation /attestation/tls
  for owner in "${owners[@]}"; do
    strongroom init --party "$owner" --role owner --folder "/$owner/organisation" --yes \
      --platform simulated --attestation "$attestation" --keys-url "https://keys-$owner:8470" \
      --dataset "flights-$owner" --relation flights --json >/dev/null
    certify "keys-$owner" "/$owner/organisation/tls"
    mkdir "/$owner/page"
    certify "owner-$owner" "/$owner/page"
    cp -R "/sample/$owner" "/$owner/data"
    cp "/$owner/organisation/secrets/access-token" "/worker/$owner.access-token"
  done
  strongroom init --party authority --role reader --folder /authority/organisation --yes --json \
    >/dev/null
  strongroom platform new --dir /platform/keys >/dev/null
  strongroom platform roots --dir /platform/keys >/tmp/platform-roots.json
  publish /*/organisation/contract/*.public.json /tmp/platform-roots.json
}

certify() { # certify HOST FOLDER: a server certificate for one service
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$2/server.key" -out /tmp/request.csr 2>/dev/null
  openssl x509 -req -in /tmp/request.csr -CA "$CA_FILE" -CAkey /tmp/ca.key -CAcreateserial \
    -CAserial /tmp/ca.srl -days 365 -out "$2/server.crt" \
    -extfile <(printf 'subjectAltName=DNS:%s,%s\nextendedKeyUsage=serverAuth' "$1" \
      DNS:localhost,IP:127.0.0.1) 2>/dev/null
}

introduce() {
  [ ! -f /public/attestation-certs.json ] || return 0
  for owner in "${owners[@]}"; do
    strongroom attestation show --issuer "$attestation" --ca-file "$CA_FILE" --platform simulated \
      --out "/$owner/organisation/key-release/authorities.json" --json >/tmp/attestation-certs.json
  done
  publish /tmp/attestation-certs.json
}

agree() {
  [ ! -f /public/contract.json ] || return 0
  for owner in "${owners[@]}"; do
    sh "/$owner/organisation/prepare-keys.sh" >/dev/null
    publish "/$owner/organisation/contract/$owner".{wrapping,release}-key.json
  done
  strongroom measure --json --name compose >/tmp/measurement.json
  publish /tmp/measurement.json /compose/draft.json
  strongroom contract new --draft /public/draft.json --out /tmp/contract.json
  for party in "${owners[@]}" authority; do
    strongroom contract sign --contract /tmp/contract.json \
      --identity "/$party/organisation/secrets/identity.json"
  done
  strongroom contract verify /tmp/contract.json
  for owner in "${owners[@]}"; do
    for key in "flights-$owner" state-share; do
      strongroom key policy set --name "$key" --contract /tmp/contract.json \
        --vault "https://keys-$owner:8470" --ca-file "$CA_FILE" \
        --token-file "/$owner/organisation/secrets/admin-token"
    done
  done
  publish /tmp/contract.json
}

# Whole or not at all: the last of a step's files says that the step was done.
publish() {
  for file in "$@"; do
    cp "$file" "/public/.${file##*/}"
    mv "/public/.${file##*/}" "/public/${file##*/}"
  done
}

"$1"
