package quota

import "strings"

// SubjectPrefix begins the names of the limits that hold for every subject of a tenant: "subject:runs_per_day",
// "subject:concurrent_runs" and "subject:tokens_per_month". They are in none of [Definitions]: each subject has a count of
// its own.
const SubjectPrefix = "subject:"

var ofSubjects = [...]Name{RunsPerDay, ConcurrentRuns, TokensPerMonth}

// OfSubjects returns the quotas that a subject has, in the order in which they are decided. The slice is the caller's.
func OfSubjects() []Name { return append([]Name(nil), ofSubjects[:]...) }

// ForSubjects names the limit for every subject on one of the quotas of [OfSubjects].
func ForSubjects(name Name) Name {
	switch name { // without making text: it is asked for with every run
	case RunsPerDay:
		return SubjectPrefix + RunsPerDay
	case ConcurrentRuns:
		return SubjectPrefix + ConcurrentRuns
	case TokensPerMonth:
		return SubjectPrefix + TokensPerMonth
	default:
		return SubjectPrefix + name
	}
}

// OfSubject returns the quota of which a name is the limit for every subject; ok is false where it is none.
func (n Name) OfSubject() (name Name, ok bool) {
	rest, on := strings.CutPrefix(string(n), SubjectPrefix)
	for _, q := range ofSubjects {
		if on && string(q) == rest {
			return q, true
		}
	}
	return "", false
}
