package rentroll

import "time"

// What is counted is a sum of amounts in 63 bits. No loads of events whose amounts are below heavyAmount fill one that any
// database could take: that would be 10^12 of them in one sum. The others are added up by meter and month (of UTC) in which they
// are recorded, and mostHeavy bounds that: a bucket, and a line of a statement, takes events that were recorded in four such
// months at most. So no sum of one bucket goes beyond its numbers, and to know that takes no look at any bucket.
const (
	heavyAmount = 1_000_000
	mostHeavy   = 2_000_000_000_000_000_000
)

const tooHeavy = "makes more than 2,000,000,000,000,000,000 of this meter recorded in one month, which is more than is counted"

func heavyMonth(now time.Time) time.Time {
	y, m, _ := now.UTC().Date()
	return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
}

// bears reports whether an amount can be recorded of a meter, whose row has been loaded where the amount is heavy.
func (l *ledger) bears(tenant TenantID, meter string, amount int64, now time.Time) bool {
	if amount < heavyAmount {
		return true
	}
	m := l.Meters.Get(MeterRef{tenant, meter})
	return m == nil || !m.HeavyMonth.Equal(heavyMonth(now)) || m.Heavy <= mostHeavy-amount
}

// weigh remembers a heavy amount that is recorded.
func (l *ledger) weigh(tenant TenantID, meter string, amount int64, now time.Time) {
	if amount < heavyAmount {
		return
	}
	ref := MeterRef{tenant, meter}
	next := &Meter{TenantID: tenant, Name: meter}
	if m := l.Meters.Get(ref); m != nil {
		*next = *m
	}
	if month := heavyMonth(now); !next.HeavyMonth.Equal(month) {
		next.Heavy, next.HeavyMonth = 0, month
	}
	next.Heavy += amount
	l.Meters.Put(ref, next)
}
