#!/bin/sh
# WordPress as the published image starts it: what is not in the volume yet is copied there, then the server runs.
set -eu
case ${1:-} in
    apache2*)
        cd /var/www/html
        if [ ! -e index.php ]; then
            cp -a /usr/src/wordpress/. .
            secret() { head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
            while IFS= read -r line; do
                case $line in
                    *"put your unique phrase here"*)
                        printf '%s\n' "$line" | sed "s/put your unique phrase here/$(secret)/" ;;
                    *) printf '%s\n' "$line" ;;
                esac
            done <wp-config-docker.php >wp-config.php
            chown -R www-data:www-data .
        fi
        ;;
esac
exec "$@"
