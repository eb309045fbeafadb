/* jinja_time.c: strftime for chat templates: the C locale's names, whatever the process's locale is. */
#include <stdio.h>
#include <string.h>

#include "text/jinja_run.h"

static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static bool is_leap(int y) {
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days since 1 January of the year, from 0. */
static int day_of_year(const suan_template_time *t) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[t->month - 1] + t->day - 1 + (t->month > 2 && is_leap(t->year));
}

/* 0 = Sunday; of 1 January of year y (Gregorian). */
static int first_weekday(int y) {
    int p = y - 1;
    return (1 + p + p / 4 - p / 100 + p / 400) % 7;
}

static void iso_week(const suan_template_time *t, int *year, int *week) {
    int yday = day_of_year(t), wday = (first_weekday(t->year) + yday + 6) % 7; /* 0 = Monday */
    int w = (yday - wday + 10) / 7;
    *year = t->year;
    if (w < 1) {
        int y = --*year, last = (first_weekday(y) + 6) % 7; /* 53 weeks when 1 January is a Thursday, or a Wednesday in a leap year */
        w = last == 3 || (last == 2 && is_leap(y)) ? 53 : 52;
    } else if (w == 53) {
        int first = (first_weekday(t->year) + 6) % 7;
        if (!(first == 3 || (first == 2 && is_leap(t->year)))) {
            w = 1;
            ++*year;
        }
    }
    *week = w;
}

/* One conversion; false when there is none with this letter. */
static bool format_one(char c, const suan_template_time *t, char *s, size_t n) {
    int yday = day_of_year(t), wday = (first_weekday(t->year) + yday) % 7, hour12 = t->hour % 12 ? t->hour % 12 : 12, year, week;
    iso_week(t, &year, &week);
    switch (c) {
    case 'a':
        snprintf(s, n, "%.3s", days[wday]);
        break;
    case 'A':
        snprintf(s, n, "%s", days[wday]);
        break;
    case 'b':
    case 'h':
        snprintf(s, n, "%.3s", months[t->month - 1]);
        break;
    case 'B':
        snprintf(s, n, "%s", months[t->month - 1]);
        break;
    case 'c':
        snprintf(s, n, "%.3s %.3s %2d %02d:%02d:%02d %d", days[wday], months[t->month - 1], t->day, t->hour, t->minute, t->second, t->year);
        break;
    case 'C':
        snprintf(s, n, "%02d", t->year / 100);
        break;
    case 'd':
        snprintf(s, n, "%02d", t->day);
        break;
    case 'D':
    case 'x':
        snprintf(s, n, "%02d/%02d/%02d", t->month, t->day, t->year % 100);
        break;
    case 'e':
        snprintf(s, n, "%2d", t->day);
        break;
    case 'f':
        snprintf(s, n, "000000");
        break;
    case 'F':
        snprintf(s, n, "%d-%02d-%02d", t->year, t->month, t->day);
        break;
    case 'g':
        snprintf(s, n, "%02d", year % 100);
        break;
    case 'G':
        snprintf(s, n, "%d", year);
        break;
    case 'H':
        snprintf(s, n, "%02d", t->hour);
        break;
    case 'I':
        snprintf(s, n, "%02d", hour12);
        break;
    case 'j':
        snprintf(s, n, "%03d", yday + 1);
        break;
    case 'k':
        snprintf(s, n, "%2d", t->hour);
        break;
    case 'l':
        snprintf(s, n, "%2d", hour12);
        break;
    case 'm':
        snprintf(s, n, "%02d", t->month);
        break;
    case 'M':
        snprintf(s, n, "%02d", t->minute);
        break;
    case 'n':
        snprintf(s, n, "\n");
        break;
    case 'p':
        snprintf(s, n, t->hour < 12 ? "AM" : "PM");
        break;
    case 'P':
        snprintf(s, n, t->hour < 12 ? "am" : "pm");
        break;
    case 'r':
        snprintf(s, n, "%02d:%02d:%02d %s", hour12, t->minute, t->second, t->hour < 12 ? "AM" : "PM");
        break;
    case 'R':
        snprintf(s, n, "%02d:%02d", t->hour, t->minute);
        break;
    case 'S':
        snprintf(s, n, "%02d", t->second);
        break;
    case 't':
        snprintf(s, n, "\t");
        break;
    case 'T':
    case 'X':
        snprintf(s, n, "%02d:%02d:%02d", t->hour, t->minute, t->second);
        break;
    case 'u':
        snprintf(s, n, "%d", wday ? wday : 7);
        break;
    case 'U':
        snprintf(s, n, "%02d", (yday + 7 - wday) / 7);
        break;
    case 'V':
        snprintf(s, n, "%02d", week);
        break;
    case 'w':
        snprintf(s, n, "%d", wday);
        break;
    case 'W':
        snprintf(s, n, "%02d", (yday + 7 - (wday + 6) % 7) / 7);
        break;
    case 'y':
        snprintf(s, n, "%02d", t->year % 100);
        break;
    case 'Y':
        snprintf(s, n, "%d", t->year);
        break;
    case 'z':
    case 'Z':
        s[0] = 0;
        break; /* a time without a zone */
    case '%':
        snprintf(s, n, "%%");
        break;
    default:
        return false;
    }
    return true;
}

bool suan__j_strftime(jrt *rt, const suan_template_time *t, const jstr *f, jval *out) {
    jbuf b;
    suan__j_buf_init(&b, rt);
    for (size_t i = 0; i < f->n; i++) {
        char s[64];
        uint8_t taint = f->t ? f->t[i] : f->taint;
        bool unpadded = f->p[i] == '%' && i + 2 < f->n && f->p[i + 1] == '-'; /* %-d: without leading zeros, as glibc has it */
        if (!suan__j_charge(rt, 1)) return false;
        if (f->p[i] == '%' && i + 1 < f->n && format_one(f->p[i + (unpadded ? 2 : 1)], t, s, sizeof s)) {
            const char *p = s;
            while (unpadded && (*p == '0' || *p == ' ') && p[1] >= '0' && p[1] <= '9') p++;
            if (!suan__j_buf_put(&b, p, strlen(p), taint)) return false;
            i += unpadded ? 2 : 1;
        } else if (!suan__j_buf_put(&b, f->p + i, 1, taint)) {
            return false;
        }
    }
    return suan__j_buf_finish(&b, out);
}
