"""The exec.d program by which an app finds its services: bindings of databases as the variables that libraries read.

servicebinding.io, "Workload Projection". In the run image there is bash and no Python, so this is bash.
"""

from __future__ import annotations

NAME = "service-bindings"

VARIABLES = (
    "DATABASE_URL",
    "PGHOST",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "MYSQL_HOST",
    "MYSQL_PORT",
    "MYSQL_DATABASE",
    "MYSQL_USER",
    "MYSQL_PASSWORD",
    "REDIS_URL",
)
"""What the program may set; a variable that has a value already is left alone."""

SCRIPT = r"""#!/usr/bin/env bash
# exec.d: bound databases reach the app as the variables that libraries look for, where they are not set.
set -uo pipefail
LC_ALL=C

read_key() {
    local file=$binding/$1
    value=''
    [[ -e $file ]] || return 1
    [[ -r $file ]] || { echo "error: the binding file $file cannot be read by uid $(id -u)" >&2; exit 1; }
    value=$(<"$file")
}

percent() {
    local text=$1 index char
    encoded=''
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        case $char in
        [A-Za-z0-9._~-]) encoded+=$char ;;
        *) printf -v char '%%%02X' "'$char"; encoded+=%${char: -2} ;;
        esac
    done
}

emit() {
    local name=$1 text=$2 index char code out=''
    [[ -n ${!name-} || -n ${told[$name]-} || -z $text ]] && return
    told[$name]=1
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        case $char in
        \\ | \") out+=\\$char ;;
        [[:cntrl:]]) printf -v code '\\u%04X' "'$char"; out+=$code ;;
        *) out+=$char ;;
        esac
    done
    printf '%s = "%s"\n' "$name" "$out" >&3
}

# One of each kind; `binding` is its folder. A type may be the user's own word if the provider is one of ours.
find_binding() {
    local kinds=$1 root found=''
    for root in "${SERVICE_BINDING_ROOT:-/bindings}" "${CNB_PLATFORM_DIR:-/platform}/bindings"; do
        for binding in "$root"/*/; do
            binding=${binding%/}
            read_key type || continue
            if [[ $kinds != *"|${value,,}|"* ]]; then
                read_key provider || continue
                [[ -n $value && $kinds == *"|${value,,}|"* ]] || continue
            fi
            [[ -n $found ]] && { echo "more than one binding of a kind ($found, $binding); using the first" >&2; break 2; }
            found=$binding
        done
    done
    binding=$found
    [[ -n $found ]]
}

# Sets host … password from the binding, and `url`: the key `uri` if there is one, else made of the others.
read_account() {
    local scheme=$1 key
    host=127.0.0.1 port=$2 database='' username='' password=''
    for key in host port database username password; do
        read_key "$key" && printf -v "$key" '%s' "$value"
    done
    if read_key uri && [[ $value == *://* && $value != jdbc:* ]]; then
        url=$value
        return
    fi
    local login='' address=$host
    [[ $host == *:* ]] && address="[$host]"
    if [[ -n $username$password ]]; then
        percent "$username"; login=$encoded
        [[ -n $password ]] && { percent "$password"; login+=:$encoded; }
        login+=@
    fi
    percent "$database"
    url=$scheme://$login$address:$port/$encoded
}

declare -A told=()

if find_binding '|postgresql|postgres|'; then
    read_account postgresql 5432
    emit DATABASE_URL "$url"
    emit PGHOST "$host"
    emit PGPORT "$port"
    emit PGDATABASE "$database"
    emit PGUSER "$username"
    emit PGPASSWORD "$password"
fi

if find_binding '|mysql|mariadb|'; then
    read_account mysql 3306
    emit DATABASE_URL "$url"
    emit MYSQL_HOST "$host"
    emit MYSQL_PORT "$port"
    emit MYSQL_DATABASE "$database"
    emit MYSQL_USER "$username"
    emit MYSQL_PASSWORD "$password"
fi

if find_binding '|redis|valkey|'; then
    scheme=redis
    read_key tls && [[ $value == true ]] && scheme=rediss
    read_account "$scheme" 6379
    emit REDIS_URL "$url"
fi
exit 0
"""
