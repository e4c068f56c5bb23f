# What the tests of programs expect of them. It is read by those tests, which set $work, a folder.
failed=0 passed=0

# expect NAME CODE PATTERN COMMAND...: the exit code, and a pattern in what both streams say ("" for none)
expect() {
    local name=$1 code=$2 pattern=$3 got
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" = "$code" ] && cat "$work/out" "$work/err" | grep -qE -- "$pattern"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: expected exit code $code and /$pattern/, got $got and:"
        cat "$work/out" "$work/err"
    fi
}
check() { if eval "$2"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $1"; fi; }

# The last line of a test.
finish() {
    echo "$passed passed, $failed failed"
    exit $((failed > 0))
}
