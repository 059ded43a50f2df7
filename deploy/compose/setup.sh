#!/usr/bin/env bash
# What the parties of docker-compose.yml do before anything is computed, in three steps, because each
# needs services that the one before made possible:
#
#   prepare     identities, access tokens, certificates, the simulated platform
#   introduce   the attestation service is up: tell the owners whom to believe
#   agree       key release is up: keys, contract, signatures, release policies
#
# In life every party does its part on its own machine and sends only public files. Here one container
# plays all of them, each with a volume of its own: /west, /east, /authority, /worker, /platform; what
# everybody may see is in /public.
set -euo pipefail
umask 077

owners=(west east)
token=/worker/access-token
strongroom() { node /app/services/cli/bin/strongroom.mjs "$@"; }
vault() { # vault OWNER COMMAND...
  local owner=$1
  shift
  strongroom "$@" --vault "https://keys-$owner:8470" \
    --token-file "/$owner/admin-token" --ca-file /public/ca.crt
}
random() { node -p 'crypto.randomBytes(32).toString("base64url")'; }

prepare() {
  [ ! -f /public/ca.crt ] || return 0
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj /CN=strongroom-compose -keyout /tmp/ca.key -out /public/ca.crt 2>/dev/null
  certify attestation /attestation
  random >"$token"
  for owner in "${owners[@]}"; do
    certify "keys-$owner" "/$owner"
    strongroom identity new --party "$owner" --out "/$owner/identity.json" --json \
      >"/public/$owner.public.json"
    random >"/$owner/admin-token"
    random >"/$owner/master-key"
    cp "$token" "/$owner/access-token"
    cp -R "/sample/$owner" "/$owner/data"
  done
  strongroom identity new --party authority --reader --out /authority/identity.json --json \
    >/public/authority.public.json
  strongroom platform new --dir /platform/keys >/dev/null
  strongroom platform roots --dir /platform/keys >/public/platform-roots.json
  hand_over
}

certify() { # certify HOST FOLDER: a server certificate for one service
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
    -keyout "$2/tls.key" -out /tmp/request.csr 2>/dev/null
  openssl x509 -req -in /tmp/request.csr -CA /public/ca.crt -CAkey /tmp/ca.key -CAcreateserial \
    -CAserial /tmp/ca.srl -days 30 -out "$2/tls.crt" \
    -extfile <(printf 'subjectAltName=DNS:%s,DNS:localhost\nextendedKeyUsage=serverAuth' "$1") \
    2>/dev/null
}

introduce() {
  NODE_EXTRA_CA_CERTS=/public/ca.crt node --input-type=module -e '
    import { writeFileSync } from "node:fs";
    const issuer = "https://attestation:8480";
    const { keys } = await (await fetch(issuer + "/certs")).json();
    const pinned = keys.map(({ kty, n, e }) => ({ kty, n, e }));
    const write = (name, value) => writeFileSync("/public/" + name, JSON.stringify(value));
    write("authorities.json", [{ issuer, keys: pinned, platform: "simulated" }]);
    write("authority-keys.json", { keys: pinned });
  '
  hand_over
}

agree() {
  [ ! -f /public/contract.json ] || return 0
  for owner in "${owners[@]}"; do
    vault "$owner" key create --name flights --type rsa >/dev/null
    vault "$owner" key create --name state-share --type oct >/dev/null
    vault "$owner" key show --name flights --json >"/public/$owner.wrapping-key.json"
    NODE_EXTRA_CA_CERTS=/public/ca.crt node --input-type=module -e '
      const answer = await (await fetch(process.argv[1] + "/.well-known/strongroom")).json();
      console.log(JSON.stringify(answer.releaseKey));
    ' "https://keys-$owner:8470" >"/public/$owner.release-key.json"
  done
  strongroom measure --json --name compose >/public/measurement.json
  cp /compose/draft.json /public/draft.json
  strongroom contract new --draft /public/draft.json --out /tmp/contract.json
  for party in "${owners[@]}" authority; do
    strongroom contract sign --contract /tmp/contract.json --identity "/$party/identity.json"
  done
  strongroom contract verify /tmp/contract.json
  strongroom policy from-contract --contract /tmp/contract.json --out /tmp/policy.json
  for owner in "${owners[@]}"; do
    for name in flights state-share; do
      vault "$owner" key policy set --name "$name" --policy /tmp/policy.json
    done
  done
  mv /tmp/contract.json /public/contract.json
  hand_over
}

# Files belong to the user that the services run as; secrets stay readable by it alone.
hand_over() {
  chown -R node:node /public /attestation /west /east /authority /worker /platform /state
  chmod -R a+rX /public
}

"$1"
