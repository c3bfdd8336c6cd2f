#!/bin/sh
# PouchDB Server where the published image has CouchDB: the same HTTP interface, port, administrator and data directory.
set -eu
data=/opt/couchdb/data
[ "${1:-couchdb}" = couchdb ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data"
    chown -R couchdb:couchdb "$data"
    exec gosu couchdb "$0" "$@"
fi
[ -n "${COUCHDB_USER:-}" ] && [ -n "${COUCHDB_PASSWORD:-}" ] ||
    { echo "COUCHDB_USER and COUCHDB_PASSWORD must be given" >&2; exit 1; }
cat >/tmp/config.json <<END
{"admins": {"$COUCHDB_USER": "$COUCHDB_PASSWORD"}, "couch_httpd_auth": {"require_valid_user": true},
 "log": {"file": "/dev/null", "level": "error"}, "httpd": {"enable_cors": false}}
END
cd "$data"
node /opt/pouchdb/node_modules/pouchdb-server/bin/pouchdb-server --dir "$data" --host 0.0.0.0 --port 5984 \
    --config /tmp/config.json --no-color &
trap 'kill $!; wait $!; exit 0' TERM INT  # as process 1 node would not hear it
wait $!
