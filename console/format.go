package console

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rentroll/rentroll"
	"github.com/rentroll/rentroll/quota"
)

// functions are what templates can call, beside methods of what they are given.
var functions = template.FuncMap{
	"asset": assetAddress,
	"icon":  icon,
	"num":   number,
	"short": short,
	"json":  toJSON,
	"list":  func(items ...any) []any { return items },
	"dict":  dict,
	"quota": func(name any) string { return quotaName(quota.Name(fmt.Sprint(name))) },
	"add":   func(a, b int) int { return a + b },
	"span":  span,
	"tail":  tail,
	"money": money,
	"amount": func(name any, n *int64) string {
		if n == nil {
			return "–"
		}
		return amount(name, *n)
	},
	"micros": func(n int64) *int64 { return &n },
	"words":  words,
}

// words makes people's words of a name that programs use.
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

func icon(name string) (template.HTML, error) {
	svg, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("console: there is no icon %s", name)
	}
	return svg, nil
}

// number writes an integer with its thousands apart: 1,234,567. A nil pointer is a dash.
func number(v any) string {
	switch n := v.(type) {
	case int64:
		return grouped(n)
	case int:
		return grouped(int64(n))
	case uint64:
		return grouped(int64(min(n, math.MaxInt64)))
	case *int64:
		if n == nil {
			return "–"
		}
		return grouped(*n)
	default:
		return fmt.Sprint(v)
	}
}

func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// short writes a large number for where there is no room: 1.2 M.
func short(n int64) string {
	units := []string{"", " k", " M", " B", " T"}
	f, unit := float64(n), 0
	for f >= 999.5 && unit < len(units)-1 {
		f /= 1000
		unit++
	}
	if unit == 0 {
		return strconv.FormatInt(n, 10)
	}
	decimals := 1
	if f >= 99.95 {
		decimals = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', decimals, 64), ".0") + units[unit]
}

func toJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// dict makes a map for a template that is called with several things.
func dict(pairs ...any) (map[string]any, error) {
	out := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("console: %v is no name", pairs[i])
		}
		out[name] = pairs[i+1]
	}
	return out, nil
}

// Time writes an instant in the viewer's zone, with UTC for who points at it: today by the clock, this year without the
// year. It takes a time.Time or a pointer to one; nil and zero are a dash.
func (v *visit) Time(at any) template.HTML { return v.timeAs(at, false) }

// Clock is Time with seconds.
func (v *visit) Clock(at any) template.HTML { return v.timeAs(at, true) }

func (v *visit) timeAs(at any, seconds bool) template.HTML {
	var t time.Time
	switch given := at.(type) {
	case time.Time:
		t = given
	case *time.Time:
		if given != nil {
			t = *given
		}
	}
	if t.IsZero() {
		return "–"
	}
	local, now := t.In(v.zone), v.now.In(v.zone)
	layout := "Jan 2, 15:04"
	switch {
	case local.Year() != now.Year():
		layout = "2006-01-02"
	case local.YearDay() == now.YearDay():
		layout = "15:04"
	}
	if seconds && layout != "2006-01-02" {
		layout += ":05"
	}
	utc := t.UTC()
	//nolint:gosec // only times are in it
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, utc.Format(time.RFC3339), utc.Format("2006-01-02 15:04:05 UTC"), local.Format(layout)))
}

// With is the address of this page with another value of a parameter, and from its first page on.
func (v *visit) With(name string, value any) string {
	query := v.r.URL.Query()
	query.Del("cursor")
	query.Set(name, fmt.Sprint(value))
	at := url.URL{Path: v.r.URL.Path, RawQuery: query.Encode()}
	return at.String()
}

// IsTenant reports whether the visitor is a tenant's, for templates.
func (v *visit) IsTenant() bool { return v.isTenant() }

// Can reports whether the visitor has a permission, for templates.
func (v *visit) Can(p string) bool { return v.can(rentroll.Permission(p)) }

// span writes how long something took, in two units at most: 820 ms, 4.2 s, 3 min 20 s, 5 h 12 min, 12 d 3 h.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, bigName, smallName string) string {
		out := fmt.Sprintf("%d %s", d/big, bigName)
		if rest := d % big / small; rest > 0 {
			out += fmt.Sprintf(" %d %s", rest, smallName)
		}
		return out
	}
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Truncate(time.Second/10).Seconds()), ".0") + " s"
	case d < time.Hour:
		return two(time.Minute, time.Second, "min", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "min")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// tail is the end of an id, by which people tell it from others: ids begin with the time.
func tail(id fmt.Stringer) string {
	s := id.String()
	return s[max(0, len(s)-6):]
}

// money writes millionths of the currency unit: at least its hundredths, and what there is below them. nil is a dash.
func money(micros *int64) string {
	if micros == nil {
		return "–"
	}
	const unit = 1_000_000
	n, sign := *micros, ""
	if n < 0 {
		n, sign = -n, "−"
	}
	below := fmt.Sprintf("%06d", n%unit)
	for len(below) > 2 && below[len(below)-1] == '0' {
		below = below[:len(below)-1]
	}
	return sign + grouped(n/unit) + "." + below
}
