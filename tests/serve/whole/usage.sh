# usage.sh: suan usage over a ledger that test_ledger makes: three requests of ann on two days, one that failed of a key with an awkward name.
. "$TOP/tests/cli/lib.sh"
ledger=$tmp/ledger.db
"$TEST_LEDGER" --make "$ledger" || exit 1

run usage --ledger "$ledger" --json
ok "all: exits 0" exits 0
ok "all: requests" is "$(json usage.0.requests)" 4
ok "all: failed" is "$(json usage.0.failed)" 1
ok "all: prompt tokens" is "$(json usage.0.prompt_tokens)" 40
ok "all: reasoning tokens" is "$(json usage.0.reasoning_tokens)" 8
ok "all: currency" is "$(json usage.0.currency)" EUR
run usage --ledger "$ledger" --by key --json
ok "by key: the second is ann" is "$(json usage.1.key)" ann
ok "by key: ann's requests" is "$(json usage.1.requests)" 3
run usage --ledger "$ledger" --by day --since 2024-10-05 --until 2024-10-05 --json
ok "a day: its name" is "$(json usage.0.day)" 2024-10-05
ok "a day: its requests" is "$(json usage.0.requests)" 2
run usage --ledger "$ledger" --key ann --csv
ok "CSV: a line of names" out_has '^all,requests,failed,'
ok "CSV: numbers" out_has '^"",3,0,30,12,15,6,'
run usage --ledger "$ledger" --by key --csv
ok "CSV: no formula" out_has "^\"'=b\"\"ob\",1,1"
run usage --ledger "$ledger" --by model
ok "table: a line for the model" out_has '^m  *3  *0'
run usage --ledger "$ledger" --key nobody
ok "nobody: exits 0" exits 0
ok "nobody: says so" err_has 'no requests'
run usage --ledger "$tmp/none.db"
ok "no ledger: exits 1" exits 1
ok "no ledger: names the file" err_has 'none.db: there is no ledger'
head -c 20000 /dev/urandom >"$tmp/noise.db"
run usage --ledger "$tmp/noise.db"
ok "noise: exits 1" exits 1
ok "noise: names the file" err_has 'noise.db'
for day in 2024-13-01 2024-02-30 yesterday 1969-12-31 2024-1-1; do
    run usage --ledger "$ledger" --since "$day"
    ok "--since $day: exits 2" exits 2
done
run usage --json --csv
ok "--json with --csv: exits 2" exits 2
finish
