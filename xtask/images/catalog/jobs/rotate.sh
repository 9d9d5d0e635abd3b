#!/bin/sh
# Takes over the newest reports and keeps the last five where only root may write.
set -eu
cd /var/spool/reports
for report in new/*.txt; do
    [ -e "$report" ] || continue
    gzip -c "$report" > "archive/$(basename "$report").gz"
    chown root:adm "archive/$(basename "$report").gz"
    chmod 0640 "archive/$(basename "$report").gz"
    rm "$report"
done
ls -1t archive | tail -n +6 | while read -r old; do rm "archive/$old"; done
