package rentroll

import (
	"sync"
	"time"
)

// Lately is what the lanes of a server did in the last minute, give or take five seconds, or since its start where that is
// less. Transactions whose outcome had to be looked up are not in it.
type Lately struct {
	Batches    uint64        // transactions committed
	Commands   uint64        // commands decided in them
	CommitTime time.Duration // how long those transactions took, all together
	Slowest    time.Duration // how long the longest of them took
}

// latelyStep is how exact the last minute is.
const latelyStep = 5 * time.Second

// lately counts by steps, of which it keeps a minute's and the running one. Safe for concurrent use.
type lately struct {
	mu    sync.Mutex
	steps [time.Minute/latelyStep + 1]struct {
		number int64 // since 1970
		Lately
	}
}

func (l *lately) add(now time.Time, commands int, took time.Duration) {
	number := now.UnixNano() / int64(latelyStep)
	l.mu.Lock()
	defer l.mu.Unlock()
	step := &l.steps[number%int64(len(l.steps))]
	if step.number != number {
		step.number, step.Lately = number, Lately{}
	}
	step.Batches++
	step.Commands += uint64(commands)
	step.CommitTime += took
	step.Slowest = max(step.Slowest, took)
}

func (l *lately) sum(now time.Time) (out Lately) {
	number := now.UnixNano() / int64(latelyStep)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.steps {
		step := &l.steps[i]
		if step.number > number || step.number <= number-int64(len(l.steps)) {
			continue
		}
		out.Batches += step.Batches
		out.Commands += step.Commands
		out.CommitTime += step.CommitTime
		out.Slowest = max(out.Slowest, step.Slowest)
	}
	return out
}
