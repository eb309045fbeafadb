# headers.sh: every public header compiles alone, with gcc and clang, as C17 and as C++17, without a warning.
set -u
n=0 failed=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
check() { # compiler, language, standard, header
    n=$((n + 1))
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "ok $n - $4 with $1 as $3 # SKIP there is no $1"
    elif printf '#include "%s"\n#include "%s"\nint nothing;\n' "$4" "$4" >"$tmp/alone.$2" &&
        "$1" -fsyntax-only -Wall -Wextra -Wpedantic -Werror -std="$3" -I"$TOP/include" "$tmp/alone.$2" 2>"$tmp/err"; then
        echo "ok $n - $4 with $1 as $3"
    else
        failed=1
        echo "not ok $n - $4 with $1 as $3"
        head -n 10 "$tmp/err" | sed 's/^/# /'
    fi
}
for header in "$TOP"/include/suan/*.h; do
    name=suan/$(basename "$header")
    for compiler in gcc clang; do check $compiler c c17 "$name"; done
    for compiler in g++ clang++; do check $compiler cc c++17 "$name"; done
done
echo "1..$n"
exit $failed
