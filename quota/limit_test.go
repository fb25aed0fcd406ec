package quota_test

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rentroll/rentroll/quota"
)

func TestFits(t *testing.T) {
	const huge = int64(1) << 62
	for _, c := range []struct {
		limit      quota.Limit
		current, n int64
		want       bool
	}{
		{quota.Limit{}, 0, 0, true},
		{quota.Limit{}, 0, 1, false},
		{quota.Of(5), 4, 1, true},
		{quota.Of(5), 5, 1, false},
		{quota.Of(5), 5, 0, true},
		{quota.Of(5), 6, 0, false},
		{quota.Of(5), 6, 1, false},
		{quota.Of(quota.MaxLimit), huge, huge, false},
		{quota.Of(quota.MaxLimit), 1, huge, false},
		{quota.NoLimit(), huge, huge, true},
		{quota.Limit{Max: 1, Mode: quota.Soft}, 1, 1, false},
	} {
		if got := c.limit.Fits(c.current, c.n); got != c.want {
			t.Errorf("%+v.Fits(%d, %d) = %v", c.limit, c.current, c.n, got)
		}
	}
}

func TestFitsIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := quota.Of(rapid.Int64Range(0, quota.MaxLimit).Draw(t, "max"))
		amount := rapid.OneOf(
			rapid.Int64Range(0, 1<<62),
			rapid.Int64Range(max(limit.Max-2, 0), limit.Max+2),
			rapid.Int64Range(0, 2),
		)
		current, n := amount.Draw(t, "current"), amount.Draw(t, "n")

		sum := new(big.Int).Add(big.NewInt(current), big.NewInt(n))
		want := sum.Cmp(big.NewInt(limit.Max)) <= 0
		if got := limit.Fits(current, n); got != want {
			t.Fatalf("Of(%d).Fits(%d, %d) = %v", limit.Max, current, n, got)
		}
		if fits := n <= limit.Remaining(current); current <= limit.Max && fits != want {
			t.Fatalf("Remaining says %v, Fits %v", fits, want)
		}
	})
}

func TestRemaining(t *testing.T) {
	for _, c := range []struct {
		limit   quota.Limit
		current int64
		want    int64
	}{
		{quota.Limit{}, 0, 0},
		{quota.Of(5), 2, 3},
		{quota.Of(5), 9, 0},
		{quota.Of(5), 1 << 62, 0},
		{quota.NoLimit(), 9, math.MaxInt64},
	} {
		if got := c.limit.Remaining(c.current); got != c.want {
			t.Errorf("%+v.Remaining(%d) = %d, want %d", c.limit, c.current, got, c.want)
		}
	}
}

func TestModeIsHardUnlessSoft(t *testing.T) {
	for mode, want := range map[quota.Mode]bool{"": false, quota.Hard: false, quota.Soft: true} {
		if got := (quota.Limit{Mode: mode}).IsSoft(); got != want {
			t.Errorf("mode %q: IsSoft() = %v", mode, got)
		}
	}
}

func TestActiveEndsAtUntil(t *testing.T) {
	until := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	limit := quota.Limit{Until: until}
	if !limit.Active(until.Add(-1)) || limit.Active(until) || limit.Active(until.Add(1)) {
		t.Error("a limit must hold before Until, and not at it or after it")
	}
	if !quota.Of(1).Active(until) {
		t.Error("a limit without Until must always hold")
	}
}
