# One stage of a base image, run as root in a throw-away container: packages in, users made, traces removed.
# Expects its inputs beside it and: $kind $packages $group $gid $users ("name:uid …") $SOURCE_DATE_EPOCH
set -eu
here=/tmp/pybuild
. "$here/inputs"
export SOURCE_DATE_EPOCH DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

apt() { apt-get -qq -y -c "$here/apt.conf" "$@"; }

# The lists lie in a volume that both stages share.
if [ ! -e /var/lib/apt/lists/fetched ]; then
	apt update
	: >/var/lib/apt/lists/fetched
fi
apt dist-upgrade
# shellcheck disable=SC2086 # a list of names
apt install --no-install-recommends $packages
apt clean

if [ "$kind" = run ]; then
	getent group "$gid" >/dev/null || groupadd --gid "$gid" "$group"
	for user in $users; do
		getent passwd "${user#*:}" >/dev/null || useradd --uid "${user#*:}" --gid "$gid" --create-home --shell /bin/bash "${user%:*}"
	done
	rm -rf /etc/apt/sources.list.d/*
	cp "$here/sources.kept" /etc/apt/sources.list
fi

rm -f /etc/machine-id /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid- \
	/var/lib/dpkg/*-old /var/cache/debconf/*-old /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache
find /var/log -type f -delete
rm -rf "$here"
# Nothing is younger than the stage's date, so that two machines make the same layers on one day.
find / -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} + 2>/dev/null || :
