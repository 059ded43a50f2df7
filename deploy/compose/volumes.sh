#!/usr/bin/env bash
# volumes.sh save FOLDER | load FOLDER: what docker-compose.yml keeps, one archive a volume.
#
# All of it belongs together: keys, outboxes and the log of one moment, so nothing may run meanwhile, and
# load takes all or nothing. The archives hold every party's secrets. COMPOSE_PROJECT_NAME as for compose.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

project=${COMPOSE_PROJECT_NAME:-$(basename "$PWD" | tr 'A-Z' 'a-z' | tr -cd 'a-z0-9_-')}
label=com.docker.compose

main() {
  [ $# = 2 ] || fail "usage: volumes.sh save FOLDER | load FOLDER"
  [ -z "$(docker ps --quiet --filter "label=$label.project=$project")" ] ||
    fail "$project is running: docker compose down, and then this again"
  case $1 in
    save) save "$2" ;;
    load) load "$2" ;;
    *) fail "save or load, not $1" ;;
  esac
}

save() {
  [ -n "$(volumes)" ] || fail "$project has no volumes: COMPOSE_PROJECT_NAME names another"
  mkdir "$1"
  for volume in $(volumes); do
    in_container "${project}_$volume:/public:ro" -c . >"$1/$volume.tar"
  done
}

load() {
  [ -f "$1/public.tar" ] || fail "$1 holds no archives of save"
  [ -z "$(volumes)" ] || fail "$project has volumes: docker compose down --volumes forgets them"
  for archive in "$1"/*.tar; do
    volume=$(basename "$archive" .tar)
    docker volume create --label "$label.project=$project" --label "$label.volume=$volume" \
      "${project}_$volume" >/dev/null
    in_container "${project}_$volume:/public" -x <"$archive"
  done
}

volumes() {
  docker volume ls --filter "label=$label.project=$project" --format "{{.Label \"$label.volume\"}}"
}

# /public belongs to the services' user in this image, and so then does an empty volume over it.
in_container() {
  docker run --rm --interactive --network=none --read-only --user=1000:1000 --cap-drop=ALL \
    --security-opt=no-new-privileges:true --volume="$1" --entrypoint=tar strongroom/setup \
    -C /public "$2" ${3:+"$3"}
}

fail() {
  echo "$*" >&2
  exit 2
}

main "$@"
