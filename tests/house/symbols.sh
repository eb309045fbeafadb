# symbols.sh: only names that begin with suan_ leave the library; hidden ones leave the shared library not at all.
set -u
shared=$BUILD/src/lib/libsuan.so static=$BUILD/src/lib/libsuan.a
n=0 failed=0
check() { # name, list of names that should not be there
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        failed=1
        echo "not ok $n - $1"
        printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
    fi
}
if [ -e "$shared" ]; then
    names=$(nm -D --defined-only "$shared" | awk '{print $3}')
    check "the shared library exports something" "$([ -n "$names" ] || echo nothing)"
    check "the shared library exports public names only" "$(printf '%s\n' "$names" | grep -v '^suan_[a-z]')"
fi
if [ -e "$static" ]; then
    names=$(nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 {print $3}')
    check "the static library has symbols" "$([ -n "$names" ] || echo none)"
    check "the static library defines names with suan_ only" "$(printf '%s\n' "$names" | grep -v '^suan_' | grep -v '^__asan\|^__ubsan\|^__odr_asan' | sort -u)"
fi
# What the header promises is there: every function marked SUAN_API.
if [ -e "$shared" ]; then
    promised=$(grep -ho '^SUAN_API [^(]*(' "$TOP"/include/suan/*.h | sed 's/.*[ *]\(suan_[a-z0-9_]*\)($/\1/' | sort -u)
    check "the headers promise something" "$([ "$(printf '%s\n' "$promised" | wc -l)" -gt 20 ] || echo nothing)"
    missing=$(for name in $promised; do nm -D --defined-only "$shared" | grep -q " $name\$" || echo "$name"; done)
    check "every promised function is there" "$missing"
fi
echo "1..$n"
exit $failed
