# shellcheck shell=dash disable=SC2034,SC2154,SC2295,SC2317
# The part of the launcher for images with exec.d programs: runs one, and sets what it says. Such a program
# writes TOML on file descriptor 3; nothing but KEY = "VALUE" is let through, in any way that TOML can spell
# a string. Buildpack API, "Exec.d Output".

exec_d() { # FILE
	cnb_file=$cnb_layers/$1
	{
		cnb_rest=$(start "$cnb_file" 3>&1 >&4 4>&- </dev/null)
		cnb_value=$?
	} 4>&1
	[ "$cnb_value" = 0 ] ||
		fail 82 "launch: exec.d: failed to execute exec.d file at path '$cnb_file': exit status $cnb_value"
	cnb_seen=$cnb_newline
	while skip "[!$cnb_blank$cnb_newline]" && [ -n "$cnb_rest" ]; do
		pair || fail 82 "launch: exec.d: failed to decode output from exec.d file at path '$cnb_file': \
expected only KEY = \"VALUE\", stopped before: ${cnb_rest%%"$cnb_newline"*}"
	done
}

skip() { # PATTERN: up to the first character that matches
	cnb_rest=${cnb_rest#"${cnb_rest%%$1*}"}
}

pair() {
	case $cnb_rest in
	'#'*)
		skip "[$cnb_newline]"
		return
		;;
	\"\"\"* | \'\'\'*) return 1 ;;
	\"* | \'*)
		string || return
		cnb_key=$cnb_text
		;;
	*)
		cnb_key=${cnb_rest%%[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-]*}
		cnb_rest=${cnb_rest#"$cnb_key"}
		;;
	esac
	skip "[!$cnb_blank]"
	case $cnb_rest in =*) cnb_rest=${cnb_rest#=} ;; *) return 1 ;; esac
	skip "[!$cnb_blank]"
	case $cnb_rest in \"* | \'*) string || return ;; *) return 1 ;; esac
	skip "[!$cnb_blank]"
	case $cnb_rest in '' | '#'* | "$cnb_newline"*) ;; *) return 1 ;; esac
	case $cnb_key in '' | *=* | *"$cnb_newline"*) return 1 ;; esac
	case $cnb_seen in *"$cnb_newline$cnb_key$cnb_newline"*) return 1 ;; esac
	cnb_seen=$cnb_seen$cnb_key$cnb_newline
	put "$cnb_key" "$cnb_text"
}

string() { # all four kinds, into cnb_text
	cnb_text='' cnb_mark=${cnb_rest%"${cnb_rest#?}"}
	case $cnb_rest in
	"$cnb_mark$cnb_mark$cnb_mark"*)
		cnb_long=1 cnb_stop=$cnb_mark cnb_rest=${cnb_rest#???}
		cnb_rest=${cnb_rest#"$cnb_return"}
		cnb_rest=${cnb_rest#"$cnb_newline"}
		;;
	*) cnb_long='' cnb_stop=$cnb_mark$cnb_newline cnb_rest=${cnb_rest#?} ;;
	esac
	# The backslash twice: inside brackets, some shells take it for itself and others for an escape.
	[ "$cnb_mark" = \' ] || cnb_stop=$cnb_stop\\\\
	while :; do
		cnb_value=${cnb_rest%%[$cnb_stop]*}
		cnb_text=$cnb_text$cnb_value
		cnb_rest=${cnb_rest#"$cnb_value"}
		case $cnb_rest in
		'' | "$cnb_newline"*) return 1 ;;
		\\*) escape || return ;;
		*)
			# A quote or two may stand inside a long string, even right before its end.
			case $cnb_long$cnb_rest in
			1"$cnb_mark$cnb_mark$cnb_mark$cnb_mark"*) ;;
			1"$cnb_mark$cnb_mark$cnb_mark"*) cnb_rest=${cnb_rest#???} && return ;;
			1*) ;;
			*) cnb_rest=${cnb_rest#?} && return ;;
			esac
			cnb_text=$cnb_text$cnb_mark cnb_rest=${cnb_rest#?}
			;;
		esac
	done
}

escape() {
	cnb_rest=${cnb_rest#?}
	case $cnb_rest in
	[\"\\]*) cnb_value=${cnb_rest%"${cnb_rest#?}"} ;;
	b*) cnb_value=$cnb_backspace ;;
	t*) cnb_value=$cnb_tab ;;
	n*) cnb_value=$cnb_newline ;;
	f*) cnb_value=$cnb_form_feed ;;
	r*) cnb_value=$cnb_return ;;
	e*) cnb_value=$cnb_escape ;;
	x*) character "${cnb_rest#???}" || return ;;
	u*) character "${cnb_rest#?????}" || return ;;
	U*) character "${cnb_rest#?????????}" || return ;;
	*)
		# A backslash at the end of a line of a long string joins the lines.
		skip "[!$cnb_blank]"
		case $cnb_long$cnb_rest in 1"$cnb_newline"*) skip "[!$cnb_blank$cnb_newline]" ;; *) return 1 ;; esac
		return
		;;
	esac
	cnb_text=$cnb_text$cnb_value
	cnb_rest=${cnb_rest#?}
}

character() { # REST: a code point as hexadecimal digits, which end before REST, as UTF-8
	cnb_value=${cnb_rest#?}
	cnb_value=${cnb_value%"$1"}
	case $cnb_value in '' | *[!0123456789abcdefABCDEF]*) return 1 ;; esac
	cnb_rest=x$1
	set -- "$((0x$cnb_value))"
	if [ "$1" -eq 0 ] || [ "$1" -gt 1114111 ]; then
		return 1 # no variable holds NUL
	elif [ "$1" -ge 55296 ] && [ "$1" -le 57343 ]; then
		return 1 # half of a surrogate pair
	elif [ "$1" -ge 65536 ]; then
		set -- "$((240 | $1 >> 18))" "$((128 | ($1 >> 12 & 63)))" "$((128 | ($1 >> 6 & 63)))" "$((128 | ($1 & 63)))"
	elif [ "$1" -ge 2048 ]; then
		set -- "$((224 | $1 >> 12))" "$((128 | ($1 >> 6 & 63)))" "$((128 | ($1 & 63)))"
	elif [ "$1" -ge 128 ]; then
		set -- "$((192 | $1 >> 6))" "$((128 | ($1 & 63)))"
	fi
	cnb_value=''
	for cnb_byte; do
		cnb_value="$cnb_value\\$((cnb_byte >> 6))$((cnb_byte >> 3 & 7))$((cnb_byte & 7))"
	done
	# shellcheck disable=SC2059
	cnb_value=$(printf "${cnb_value}x") # x: a newline at the end would be lost
	cnb_value=${cnb_value%x}
}
