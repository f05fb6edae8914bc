#!/bin/sh
# shellcheck shell=dash disable=SC2016,SC2034,SC2154,SC2317,SC3044
# The launcher of an app image, which may have no Python: starts one process of the app in the environment that
# its layers ask for, and becomes that process. Platform API, "launcher". docs/adr/0004-launcher.md says why sh.
#
# This is a template: `compile.py` puts what it knows at export time in place of the lines that begin with `#@`,
# and drops comments. `#@ parts` are exec_d.sh and unread.sh, where the image needs them.
# It runs under dash, busybox sh and bash. On the common path it starts one short program (tr) and nothing else.
#
# What the process sees is this shell's own environment: variables are changed where they are. A variable that
# the shell cannot hold is kept beside (`put`) and handed over by env(1) at the end (`start`).
# Our own variables are called cnb_… and are not exported; functions leave their result in cnb_value.

set -f
#@ characters
IFS=$cnb_newline
# With this and `command exec`, bash goes on when it cannot execute a program, so that our exit code counts.
[ -z "${BASH_VERSION-}" ] || ! command -v shopt >/dev/null || shopt -s execfail

fail() { # CODE MESSAGE
	printf 'ERROR: failed to %s\n' "$2" >&2
	exit "$1"
}

# Whether this shell can hold a variable of that name and hand it on unchanged. What shells set by themselves,
# and names that are not spelled like a variable, it cannot. The letters are written out, because in some
# locales a range holds more of them; nothing that passes here can mean something else inside `eval`.
plain() { # NAME
	case $1 in
	'' | [0123456789]* | *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]*) return 1 ;;
	cnb_* | _ | PWD | OLDPWD | SHLVL | PPID | IFS | OPTIND | LINENO | UID | EUID | GROUPS | RANDOM | SRANDOM) return 1 ;;
	BASH* | SHELLOPTS | POSIXLY_CORRECT | FUNCNAME | FUNCNEST | EXECIGNORE | GLOBIGNORE) return 1 ;;
	SECONDS | EPOCHSECONDS | EPOCHREALTIME | DIRSTACK | HISTCMD | PIPESTATUS) return 1 ;;
	esac
}

get() { # NAME
	if plain "$1"; then
		eval "cnb_value=\${$1-}"
		return
	fi
	cnb_value='' cnb_i=0
	while [ "$cnb_i" -lt "$cnb_kept" ]; do
		cnb_i=$((cnb_i + 1))
		eval "[ \"\$cnb_name_$cnb_i\" != \"\$1\" ] || cnb_value=\$cnb_text_$cnb_i"
	done
}

put() { # NAME VALUE
	if plain "$1"; then
		export "$1=$2"
		return
	fi
	# A later entry of the same name wins, in `get` and in env(1).
	cnb_kept=$((cnb_kept + 1))
	eval "cnb_name_$cnb_kept=\$1 cnb_text_$cnb_kept=\$2"
}

# Buildpack API, "Environment Variable Modification Rules": set but empty counts as not set.
modify() { # ACTION NAME DELIMITER VALUE
	get "$2"
	case $1 in
	override) put "$2" "$4" ;;
	default) [ -n "$cnb_value" ] || put "$2" "$4" ;;
	append) put "$2" "${cnb_value:+$cnb_value$3}$4" ;;
	prepend) put "$2" "$4${cnb_value:+$3$cnb_value}" ;;
	esac
}

root() { # NAME DIRECTORY
	[ ! -e "$cnb_layers/$2" ] || modify prepend "$1" : "$cnb_layers/$2"
}

enter() { # DIRECTORY WHAT
	# Not `cd "$1"`: `-` and names that CDPATH knows would lead elsewhere.
	case $1 in
	/*) cd -P "$1" 2>/dev/null && return ;;
	*) cd -P "./$1" 2>/dev/null && return ;;
	esac
	cnb_value='permission denied'
	[ -d "$1" ] || cnb_value='not a directory'
	[ -e "$1" ] || cnb_value='no such file or directory'
	fail 82 "launch: $2: chdir $1: $cnb_value"
}

unfit() { # FILE: true if it cannot be executed, and why
	cnb_value='permission denied'
	[ -e "$1" ] || cnb_value='no such file or directory'
	[ ! -d "$1" ] || cnb_value='is a directory'
	[ -d "$1" ] || [ ! -x "$1" ]
}

find_program() { # COMMAND
	case $1 in
	*/*)
		unfit "$1" && fail 82 "launch: path lookup: exec: \"$1\": $cnb_value"
		return 0
		;;
	esac
	cnb_rest=${PATH:+$PATH:}
	[ -n "$1" ] || cnb_rest=''
	while [ -n "$cnb_rest" ]; do
		cnb_where=${cnb_rest%%:*} cnb_rest=${cnb_rest#*:}
		unfit "${cnb_where:-.}/$1" && continue
		case $cnb_where in
		/*) return 0 ;;
		*) fail 82 "launch: path lookup: exec: \"$1\": found relative to the current directory" ;;
		esac
	done
	fail 82 "launch: path lookup: exec: \"$1\": executable file not found in \$PATH"
}

start() { # PROGRAM ARGUMENT...: become that program
	# The shell set these. Where they came from outside, they are among the kept ones.
	unset PWD OLDPWD SHLVL
	[ "$cnb_kept" -gt 0 ] || command exec "$@" || exit 82
	case $1 in
	# env(1) would take such a name for one more variable; nice does not, and changes nothing.
	*=*) set -- /usr/bin/nice -n 0 "$@" ;;
	esac
	# The layers' libraries are for the app, not for env(1).
	if [ -n "${LD_LIBRARY_PATH+set}" ]; then
		set -- "LD_LIBRARY_PATH=$LD_LIBRARY_PATH" "$@"
		unset LD_LIBRARY_PATH
	fi
	while [ "$cnb_kept" -gt 0 ]; do
		eval "set -- \"\$cnb_name_$cnb_kept=\$cnb_text_$cnb_kept\" \"\$@\""
		cnb_kept=$((cnb_kept - 1))
	done
	command exec /usr/bin/env -- "$@"
}

quote() { # TEXT: as one word of shell source
	cnb_rest=$1 cnb_value=''
	while :; do
		case $cnb_rest in
		*\'*) cnb_value="$cnb_value${cnb_rest%%\'*}'\\''" cnb_rest=${cnb_rest#*\'} ;;
		*) break ;;
		esac
	done
	cnb_value="'$cnb_value$cnb_rest'"
}

profile() { # FILE
	quote "$cnb_layers/$1"
	cnb_script="${cnb_script}source $cnb_value$cnb_newline"
}

#@ parts
# 1. What is to be run

cnb_api=${CNB_PLATFORM_API-}
case ${cnb_api#v} in
0.7 | 0.8 | 0.9) cnb_replace='' cnb_eligible='' ;;
0.10 | 0.11 | 0.12 | 0.13 | 0.14) cnb_replace=1 cnb_eligible='' ;;
0.15) cnb_replace=1 cnb_eligible=1 ;;
*[!"$cnb_blank$cnb_newline"]*)
	case ${cnb_api#v} in
	.* | *[!0123456789.]* | *.*.*) fail 11 "parse platform API '$cnb_api'" ;;
	*) fail 11 "set platform API: platform API version '$cnb_api' is incompatible with the lifecycle" ;;
	esac
	;;
*) fail 11 "get platform API version; please set 'CNB_PLATFORM_API' to specify the desired platform API version" ;;
esac

#@ failure
#@ places
[ -f "$cnb_layers/config/metadata.toml" ] ||
	fail 1 "read metadata: open $cnb_layers/config/metadata.toml: no such file or directory"
if [ -n "${CNB_PROCESS_TYPE-}" ]; then
	printf 'Warning: CNB_PROCESS_TYPE is not supported in Platform API %s\n' "$cnb_api" >&2
	printf "Warning: Run with ENTRYPOINT '%s' to invoke the '%s' process type\n" \
		"$CNB_PROCESS_TYPE" "$CNB_PROCESS_TYPE" >&2
fi

eligible() { # EXECUTION-ENVIRONMENT...
	[ -n "$cnb_eligible" ] || return 0
	for cnb_value; do
		case $cnb_value in '*' | "${CNB_EXEC_ENV:-production}") return 0 ;; esac
	done
	return 1
}

absent() {
	fail 82 "launch: determine start command: process type $cnb_type was not found"
}

cnb_type=${0##*/} cnb_direct='' cnb_dir=''
case $cnb_type in
#@ processes
*)
	cnb_type=''
	[ $# -gt 0 ] ||
		fail 82 'launch: determine start command: when there is no default process a command is required'
	if [ $# -gt 1 ] && [ "$1" = -- ]; then
		cnb_direct=1
		shift
	fi
	;;
esac

# 2. The environment it gets

# Variables that a shell drops or changes are only in the kernel's copy of what we were started with, separated
# by NUL bytes. (A byte 1 in one of them would come out as a newline.)
cnb_kept=0 cnb_given='' cnb_value=tr
[ ! -x /usr/bin/tr ] || cnb_value=/usr/bin/tr
[ ! -r "/proc/$$/environ" ] || cnb_given=$("$cnb_value" '\0\n' '\n\1' 2>/dev/null <"/proc/$$/environ")
cnb_path=${cnb_given:+absent}
for cnb_pair in $cnb_given; do
	case $cnb_pair in
	PATH=*) cnb_path='' && continue ;;
	*=*) plain "${cnb_pair%%=*}" && continue ;;
	*) continue ;;
	esac
	cnb_value='' cnb_rest=${cnb_pair#*=}
	while :; do
		case $cnb_rest in
		*"$cnb_one"*) cnb_value=$cnb_value${cnb_rest%%"$cnb_one"*}$cnb_newline cnb_rest=${cnb_rest#*"$cnb_one"} ;;
		*) break ;;
		esac
	done
	put "${cnb_pair%%=*}" "$cnb_value$cnb_rest"
done

[ -z "$cnb_path" ] || unset PATH # a shell makes one up
while :; do
	case :${PATH-}: in
	*:/cnb/process:*) cnb_value=/cnb/process ;;
	*:/cnb/lifecycle:*) cnb_value=/cnb/lifecycle ;;
	*) break ;;
	esac
	cnb_rest=:$PATH:
	cnb_rest=${cnb_rest%%":$cnb_value:"*}:${cnb_rest#*":$cnb_value:"}
	cnb_rest=${cnb_rest#:}
	PATH=${cnb_rest%:}
done
unset CNB_LAYERS_DIR CNB_APP_DIR CNB_PROCESS_TYPE CNB_PLATFORM_API CNB_DEPRECATION_MODE

enter "$cnb_app" 'change to app directory'
case $cnb_app in /*) ;; *) cnb_app=$PWD ;; esac
case $cnb_layers in
'' | /*) ;;
*)
	cnb_layers=$(enter "$cnb_layers" 'modify env' && printf '%s/' "$PWD") || exit
	cnb_layers=${cnb_layers%/}
	;;
esac
#@ environment
#@ exec.d

# 3. Become it

# dash and busybox sh leave with 126 or 127 when a program turns out not to be executable after all.
trap 'exit 82' 0
if [ -n "$cnb_direct" ]; then
	find_program "$1"
	if [ -n "$cnb_dir" ]; then
		enter "$cnb_dir" 'change directory'
		case $1 in */*) unfit "$1" && fail 82 "launch: direct exec: $1: $cnb_value" ;; esac
	fi
	start "$@"
	exit 82
fi

unfit /bin/bash && fail 82 "launch: bash exec: /bin/bash: $cnb_value"
cnb_script=''
#@ profile.d
if [ -e .profile ] && [ ! -d .profile ]; then
	quote "$cnb_app/.profile"
	cnb_script="${cnb_script}source $cnb_value$cnb_newline"
fi
case $cnb_dir in
/*) quote "$cnb_dir" ;;
*) quote "$cnb_app${cnb_dir:+/$cnb_dir}" ;;
esac
cnb_script="${cnb_script}cd $cnb_value$cnb_newline"
if [ $# -eq 1 ]; then
	# A command without arguments is a script.
	cnb_script="${cnb_script}exec bash -c \"\$1\""
else
	# Each word is expanded once more, and stays one word.
	cnb_value='"$(eval echo \"$0\")"' cnb_i=1
	while [ "$cnb_i" -lt $# ]; do
		cnb_value="$cnb_value \"\$(eval echo \\\"\${$cnb_i}\\\")\""
		cnb_i=$((cnb_i + 1))
	done
	cnb_script="${cnb_script}exec bash -c '$cnb_value' \"\$@\""
fi
start /bin/bash -c "$cnb_script" "$0" "$@"
exit 82
