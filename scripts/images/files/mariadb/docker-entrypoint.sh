#!/bin/sh
# MariaDB as the published image starts it: as root it hands the data over to mysql and becomes that user.
set -eu
data=/var/lib/mysql
[ "${1:-mariadbd}" = mariadbd ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data" /run/mysqld
    chown -R mysql:mysql "$data" /run/mysqld
    exec gosu mysql "$0" "$@"
fi
quoted() { printf '%s' "$1" | sed "s/[\\\\']/\\\\&/g; s/^/'/; s/\$/'/"; }
if [ ! -e "$data/mysql" ]; then
    [ -n "${MARIADB_ROOT_PASSWORD:-}${MARIADB_RANDOM_ROOT_PASSWORD:-}" ] ||
        { echo "MARIADB_ROOT_PASSWORD or MARIADB_RANDOM_ROOT_PASSWORD must be given" >&2; exit 1; }
    [ -n "${MARIADB_ROOT_PASSWORD:-}" ] ||
        MARIADB_ROOT_PASSWORD=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
    {
        printf '%s;\n' "CREATE DATABASE mysql" "USE mysql" "SET @auth_root_socket = NULL"
        cd /usr/share/mysql
        cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql \
            maria_add_gis_sp_bootstrap.sql mysql_sys_schema.sql
        printf '%s;\n' "USE mysql" "FLUSH PRIVILEGES"
        echo "DROP USER IF EXISTS ''@localhost, ''@'$(hostname)', root@'$(hostname)', root@'127.0.0.1', root@'::1';"
        echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$MARIADB_ROOT_PASSWORD");"
        if [ -n "${MARIADB_DATABASE:-}" ]; then echo "CREATE DATABASE \`$MARIADB_DATABASE\`;"; fi
        if [ -n "${MARIADB_USER:-}" ]; then
            echo "CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY $(quoted "$MARIADB_PASSWORD");"
            echo "GRANT ALL ON \`${MARIADB_DATABASE:-test}\`.* TO '$MARIADB_USER'@'%';"
        fi
    } >/tmp/first.sql
    mariadbd --no-defaults --bootstrap --datadir="$data" --skip-networking --log-warnings=0 </tmp/first.sql ||
        { rm -rf "${data:?}"/mysql; exit 1; }
    rm /tmp/first.sql
fi
shift
exec mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --skip-name-resolve --host-cache-size=0 "$@"
