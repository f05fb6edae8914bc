# shellcheck shell=dash disable=SC2034,SC2154,SC2317
# The part of the launcher for images with layers whose files were not at hand at export time, because they come
# from the previous image. Their directories are read here, as all others were read there.

files() { # FUNCTION DIRECTORY: calls FUNCTION for each file, those that begin with a dot first
	# bash sorts as the locale says.
	cnb_locale=${LC_ALL-none} LC_ALL=C
	set +f
	set -- "$1" "$2"/.[!.]* "$2"/..?* "$2"/*
	set -f
	LC_ALL=$cnb_locale
	[ "$cnb_locale" != none ] || unset LC_ALL
	cnb_each=$1
	shift
	for cnb_file; do
		if [ ! -d "$cnb_file" ] && { [ -e "$cnb_file" ] || [ -L "$cnb_file" ]; }; then
			"$cnb_each" "$cnb_file"
		fi
	done
}

unread_env() { # LAYER
	files env_file "$cnb_layers/$1/env"
	files env_file "$cnb_layers/$1/env.launch"
	[ -z "$cnb_type" ] || files env_file "$cnb_layers/$1/env.launch/$cnb_type"
}

env_file() { # FILE
	[ -f "$1" ] || return 0
	cnb_key=${1##*/}
	cnb_key=${cnb_key%%.*}
	case ${1##*/} in
	"$cnb_key" | "$cnb_key".override) set -- "$1" override ;;
	"$cnb_key".default | "$cnb_key".append | "$cnb_key".prepend) set -- "$1" "${1##*.}" ;;
	"$cnb_key".) set -- "$1" prepend : ;;
	*) return 0 ;;
	esac
	content "$1"
	set -- "$2" "$cnb_value" "${3-}" "${1%/*}/$cnb_key.delim"
	if [ -f "$4" ]; then
		content "$4"
		set -- "$1" "$2" "$cnb_value"
	fi
	modify "$1" "$cnb_key" "$3" "$2"
}

content() { # FILE: byte for byte
	cnb_value=''
	while IFS= read -r cnb_line; do
		cnb_value=$cnb_value$cnb_line$cnb_newline
	done <"$1" || fail 82 "launch: modify env: cannot read $1"
	cnb_value=$cnb_value$cnb_line
}

unread_exec_d() { # LAYER
	files exec_d_file "$cnb_layers/$1/exec.d"
	[ -z "$cnb_type" ] || files exec_d_file "$cnb_layers/$1/exec.d/$cnb_type"
}

exec_d_file() { # FILE
	exec_d "${1#"$cnb_layers/"}"
}

unread_profile() { # LAYER
	files profile_file "$cnb_layers/$1/profile.d"
	[ -z "$cnb_type" ] || files profile_file "$cnb_layers/$1/profile.d/$cnb_type"
}

profile_file() { # FILE
	profile "${1#"$cnb_layers/"}"
}
