#!/bin/sh
# assemble.sh TARGET SERVICE...: what services need to run, in the layout of the checkout, with what
# `tsc -b` built instead of sources. The worker reads and measures its files by these paths.
# Two runs over the same checkout give the same bytes, wherever, whenever and by whom they are made.
set -eu
umask 022
target=$1
shift
here=$(pwd)

# tsc leaves what it built of sources that are gone: it would be in the image, and measured. The
# page's bundle is of many sources.
find packages/*/dist services/*/dist -name '*.js' ! -path '*/dist/page/app.js' |
  while read -r built; do
    sources="${built%%/dist/*}/src"
    name=${built#*/dist/}
    [ ! -d "$sources" ] || [ -f "$sources/${name%.js}.ts" ] || rm "$built"
  done

# pnpm checks the whole workspace against the lockfile, so every manifest is there while it installs.
mkdir -p "$target"
cp package.json pnpm-lock.yaml pnpm-workspace.yaml .npmrc "$target/"
for manifest in packages/*/package.json services/*/package.json; do
  mkdir -p "$target/$(dirname "$manifest")"
  cp "$manifest" "$target/$manifest"
done
cp -R packages/record-log/patches "$target/packages/record-log/patches"
cd "$target"
filters=''
for service in "$@"; do filters="$filters --filter={./services/$service}..."; done
# shellcheck disable=SC2086 # one word a filter
# Copied, not linked: what follows sets modes and times, and the store is shared.
CI=true pnpm install --prod --offline --frozen-lockfile --config.package-import-method=copy $filters

# What pnpm linked is what the services load; everything else goes.
for folder in packages/* services/*; do
  if [ -d "$folder/node_modules" ]; then
    cp -R "$here/$folder/dist" "$folder/dist"
    [ ! -d "$here/$folder/bin" ] || cp -R "$here/$folder/bin" "$folder/bin"
    for file in tcb.json service-options.json; do
      [ ! -f "$here/$folder/$file" ] || cp "$here/$folder/$file" "$folder/$file"
    done
  else
    rm -r "$folder"
  fi
done
find packages services -path '*/dist/*' \( -name '*.d.ts' -o -name '*.map' \) -delete
rm -rf packages/record-log/patches pnpm-lock.yaml pnpm-workspace.yaml .npmrc

# pnpm's notes of when and where it installed: nothing that runs reads them.
find . -name .modules.yaml -o -name '.pnpm-workspace-state*.json' | xargs rm -f

# What is in it, for whoever has to know: packages, licences, hashes of their archives.
(cd "$here" && node --conditions=strongroom:source scripts/write-sbom.ts "$target" "strongroom/$1") \
  >sbom.cdx.json

chmod -R u=rwX,go=rX .
find . -exec touch --no-dereference --date=@0 {} +
