#!/bin/sh
# pack.sh FOLDER FILE.tar: what assemble.sh put into FOLDER, as bytes that are the same for everyone who
# packs the same content: sorted by name, no owner, no time, no header that says where it was packed.
set -eu
tar --create --file="$2" --directory="$1" --format=posix --sort=name \
  --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX \
  --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
