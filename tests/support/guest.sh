# For every script in a guest: `until_ok SECONDS COMMAND...` repeats a command until it succeeds.
until_ok() { local end=$((SECONDS + $1)); shift
    until "$@" > /dev/null 2>&1; do [ $SECONDS -lt $end ] || { echo "gave up on: $*" >&2; return 1; }; sleep 0.1; done; }
