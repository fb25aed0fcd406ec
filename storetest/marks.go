package storetest

import (
	"time"

	"github.com/rentroll/rentroll"
)

func markRows(b *rentroll.Batch) *rentroll.Rowset[rentroll.MarkRef, rentroll.UsageMark] {
	return &b.Marks
}

func markRef(m *rentroll.UsageMark) rentroll.MarkRef {
	return rentroll.MarkRef{TenantID: m.TenantID, EventID: m.EventID}
}

func fullMark(s *scene) *rentroll.UsageMark {
	return &rentroll.UsageMark{
		TenantID: newID[rentroll.TenantID](s), EventID: "evt/1 ?ü", Fingerprint: s.hash(), UsageID: newID[rentroll.UsageID](s),
		RecordedAt: after(1), Time: after(0), Corrected: 7,
	}
}

// bareMark is one from before marks knew where their events stand.
func bareMark(s *scene) *rentroll.UsageMark {
	m := fullMark(s)
	m.Time, m.Corrected = time.Time{}, 0
	return m
}

var marks = noun[rentroll.MarkRef, rentroll.UsageMark]{
	rows: markRows, key: markRef,
	full: fullMark, bare: bareMark,
	edit: func(m *rentroll.UsageMark) { m.Fingerprint[31]++; m.RecordedAt, m.Corrected = after(2), 8 },
}

func markTests() []test {
	return append(marks.tests(), test{"TenantsAreApart", marksOfTenants})
}

// marksOfTenants: an event id that one tenant has used is free in every other.
func marksOfTenants(s *scene) {
	one, two, three := fullMark(s), fullMark(s), fullMark(s)
	marks.put(s, one)
	marks.isGone(s, markRef(two))
	marks.put(s, two)
	marks.isGone(s, markRef(three))
	marks.is(s, one)
	marks.is(s, two)
}
