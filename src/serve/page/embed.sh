#!/bin/sh
# embed.sh OUTPUT CSP FILE...: writes the C file that holds the page (page.h says what it offers).
# A shell script and not a program, so that a build for another machine needs no compiler for this one.
set -eu

# The SHA-256 of a file in hexadecimal, by whichever tool the system has.
digest() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum <"$1"
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256 <"$1"
    else openssl dgst -sha256 -r <"$1"
    fi | cut -c 1-64
}

content_type() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *) echo "embed.sh: no content type is known for $1" >&2; exit 1 ;;
    esac
}

output=$1 csp=$2
shift 2
{
    echo '/* Written by page/embed.sh from the files of the page. */'
    echo '#include "serve/page.h"'
    echo '#include <string.h>'
    i=0
    for file; do
        printf 'static const unsigned char file_%d[] = {\n' "$i"
        od -An -v -tx1 "$file" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
        echo '};'
        i=$((i + 1))
    done
    echo 'static const suan__page_file page_files[] = {'
    i=0
    for file; do
        name=${file##*/}
        case $name in index.html) path=/ ;; *) path=/page/$name ;; esac
        type=$(content_type "$name")
        printf '    {"%s", "%s", "\\"%s\\"", file_%d, sizeof file_%d},\n' "$path" "$type" "$(digest "$file")" "$i" "$i"
        i=$((i + 1))
    done
    cat <<END
};
static const size_t n_page_files = sizeof page_files / sizeof *page_files;

const suan__page_file *suan__page_at(size_t i_file) {
    return i_file < n_page_files ? &page_files[i_file] : NULL;
}

const suan__page_file *suan__page_find(const char *path) {
    for (size_t i = 0; path && i < n_page_files; i++)
        if (!strcmp(page_files[i].path, path)) return &page_files[i];
    return NULL;
}

const char *suan__page_csp(void) {
    return "$(cat "$csp")";
}
END
} >"$output.new"
mv "$output.new" "$output"
