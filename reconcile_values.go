package rentroll

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of a kept dimension that are told apart in a month are those that its rollups have, which are compared with the
// events before. They say what an event adds to: a value that is lost would be among the others once there are enough, and one
// that nobody has ever sent takes the room of another. Once no event of a month is accepted any more they say nothing, and only
// their number is compared, with what it counts.

const fieldValue = "value"

// values compares the values that are told apart in one month of a kept dimension, the first behind one, and the row that
// counts them. It returns which it was; the zero one where there is no more. Months of which no value is left at all come
// with the first.
func (c *recount) values(ctx context.Context, after ValueRef) (ValueRef, error) {
	if err := c.kept(ctx); err != nil {
		return ValueRef{}, err
	}
	if after == (ValueRef{}) {
		if err := c.lostValues(ctx); err != nil {
			return ValueRef{}, err
		}
	}
	ref, err := c.NextKept(ctx, c.tenant, after)
	if err != nil || ref == (ValueRef{}) {
		return ref, err
	}
	return ref, c.valuesOf(ctx, ref)
}

// takesEvents returns from when on events are accepted, and until when.
func (c *recount) takesEvents() (from, to time.Time) {
	now := c.account.clock(c.now)
	return now.Add(-UsageWindow), now.Add(UsageAhead + time.Microsecond)
}

// lostValues compares those months of kept dimensions that have rollups and not a single value.
func (c *recount) lostValues(ctx context.Context) error {
	first, end := c.takesEvents()
	for after := ""; ; {
		dimension, err := c.NextDimension(ctx, c.tenant, after)
		if err != nil || dimension == "" {
			return err
		}
		if after = dimension; !strings.HasPrefix(dimension, dimensionKept) {
			continue
		}
		for month := heavyMonth(first); month.Before(end); month = month.AddDate(0, 1, 0) {
			if err := c.lostOf(ctx, dimension, month, earliest(end, month.AddDate(0, 1, 0))); err != nil {
				return err
			}
		}
	}
}

// lostOf is lostValues of one dimension in [month, end).
func (c *recount) lostOf(ctx context.Context, dimension string, month, end time.Time) error {
	meters := make(map[string]bool)
	err := days(month, end, func(from, to time.Time) error {
		part, err := c.RolledMeters(ctx, RollupFilter{TenantID: c.tenant, Dimension: dimension, From: from, To: to})
		for _, meter := range part {
			meters[meter] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, meter := range slices.Sorted(maps.Keys(meters)) {
		ref := ValueRef{TenantID: c.tenant, Meter: meter, Dimension: strings.TrimPrefix(dimension, dimensionKept), Month: month}
		before := ref
		before.Month = month.Add(-time.Microsecond)
		next, err := c.NextKept(ctx, c.tenant, before)
		if err != nil {
			return err
		}
		if next == ref {
			continue
		}
		if err := c.valuesOf(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// days cuts a range of time into days.
func days(from, to time.Time, each func(from, to time.Time) error) error {
	for from.Before(to) {
		end := earliest(from.Add(bucketsAtOnce*bucketSize), to)
		if err := each(from, end); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// valuesOf compares one month of a kept dimension.
func (c *recount) valuesOf(ctx context.Context, ref ValueRef) error {
	known, values, err := c.CountKept(ctx, ref)
	if err != nil {
		return err
	}
	first, end := c.takesEvents()
	if next := ref.Month.AddDate(0, 1, 0); next.After(first) {
		lost, idle, err := c.compareValues(ctx, ref, earliest(end, next))
		if err != nil {
			return err
		}
		for _, value := range lost {
			c.value(ref, "", value)
		}
		for _, value := range idle {
			c.value(ref, value, "")
		}
		values += int64(len(lost) - len(idle))
	}
	if known != values {
		c.add(tableValues, valuesText(ref), "known", strconv.FormatInt(known, 10), strconv.FormatInt(values, 10),
			mending{by: RollupSum{Total: values - known}, value: ref})
	}
	return nil
}

func valuesText(ref ValueRef) string {
	return ref.Meter + " " + ref.Dimension + " " + ref.Month.Format("2006-01")
}

func (c *recount) value(ref ValueRef, stored, computed string) {
	key := valuesText(ref)
	ref.Value = stored + computed // one of them is ""
	c.add(tableValues, key, fieldValue, stored, computed, mending{value: ref, lowers: computed == ""})
}

// compareValues returns the values that a dimension's rollups have until some time in the month and that are not told apart,
// and those that are and that no rollup has. Where events of the month were pruned, lost rollups can't be made anew, and
// nothing is concluded from what they do not have.
func (c *recount) compareValues(ctx context.Context, ref ValueRef, until time.Time) (lost, idle []string, err error) {
	stored, err := c.ListKept(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[string]bool, len(stored))
	for _, value := range stored {
		seen[value] = false
	}
	err = days(ref.Month, until, func(from, to time.Time) error {
		part, err := c.RolledValues(ctx, RollupFilter{TenantID: c.tenant, Dimension: dimensionKept + ref.Dimension, From: from, To: to}, ref.Meter)
		for _, value := range part {
			if _, told := seen[value]; !told && value != "" && value != dimensionOther {
				lost = append(lost, value)
			}
			seen[value] = true
		}
		return err
	})
	if err != nil || ref.Month.Before(c.usageUntil) {
		return lost, nil, err
	}
	for _, value := range stored {
		if !seen[value] {
			idle = append(idle, value)
		}
	}
	return lost, idle, nil
}
