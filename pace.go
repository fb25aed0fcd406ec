package rentroll

import (
	"sync"
	"time"
)

const (
	bulkRows      = 500                   // that one transaction writes in bulk, about, while nobody else writes
	fewBulkRows   = 64                    // and the least that it writes at once, if that much waits, while others do
	paceMemory    = time.Second           // how long ago others write, who are not to feel it
	leastBulkTime = 2 * time.Millisecond  // what they wait for without harm
	mostRest      = 50 * time.Millisecond // between two transactions in bulk
	rowsWeight    = 0.2                   // of the last transaction in the mean time of a row

	shareSpan = 100 * time.Millisecond // over which it is told how much of the time others write
	busyShare = 0.2                    // of the time: who writes so much is to feel nothing
	busyRests = 4                      // how many times as long as it wrote bulk rests then; else less, and once at least
)

// pace keeps others from feeling what is written in bulk. Where nothing else is written it is written as fast as can be.
// Else its transactions take half as long as those of the others, about, so that whoever waits for one of them, because it
// holds the file or the account, waits little longer than for the others; and it rests in between, the longer the more the others
// write, which leaves them from half to four fifths of the machine. Safe for concurrent use.
type pace struct {
	mu    sync.Mutex
	row   time.Duration // that a row in bulk takes, about; 0 while that is not known
	other time.Duration // that the last transaction of others took
	seen  time.Time     // when that was
	until time.Time     // when bulk has rested enough
	busy  time.Duration // that others wrote since
	since time.Time     // then
	share float64       // of the time before that others wrote, 0–1
}

// others is told of a transaction of others.
func (p *pace) others(began, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other, p.seen = ended.Sub(began), ended
	p.busy += p.other
	if span := ended.Sub(p.since); span >= shareSpan {
		p.share = min(1, float64(p.busy)/float64(span))
		p.busy, p.since = 0, ended
	}
}

// wrote is told of a transaction in bulk.
func (p *pace) wrote(rows int, began, ended time.Time) {
	took := ended.Sub(began)
	each := took / time.Duration(max(1, rows))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.row == 0 {
		p.row = each
	}
	p.row += time.Duration(rowsWeight * float64(each-p.row))
	rests := 1 + (busyRests-1)*min(1, p.share/busyShare)
	p.until = ended.Add(min(time.Duration(rests*float64(took)), mostRest))
}

// rows is how many rows a transaction in bulk may write, about.
func (p *pace) rows(now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.row == 0 || now.Sub(p.seen) > paceMemory {
		return bulkRows
	}
	return min(bulkRows, max(fewBulkRows, int(max(p.other/2, leastBulkTime)/p.row)))
}

// rest is how long bulk is to rest.
func (p *pace) rest(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.seen) > paceMemory {
		return 0
	}
	return p.until.Sub(now)
}
