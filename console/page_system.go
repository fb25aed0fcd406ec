package console

import (
	"fmt"
	"time"

	"github.com/rentroll/rentroll"
)

// systemPage is the server, and what it knows of the others.
type systemPage struct {
	rentroll.Metrics

	Version, Store, Database string
	Latency                  time.Duration
	Trouble                  string // why the server should get no requests; "" where it should
	Settings                 []Setting

	About *rentroll.StoreDescription // nil where the database does not say
}

// Size is how large the database is.
func (p *systemPage) Size() string {
	const k = 1000
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	size, unit := float64(p.About.Bytes), 0
	for size >= k && unit < len(units)-1 {
		size, unit = size/k, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", p.About.Bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

func (v *visit) system() (any, error) {
	if v.isTenant() || !v.can(rentroll.PermOperatorRead) {
		return nil, v.actorLacks(rentroll.PermOperatorRead)
	}
	p := &systemPage{
		Metrics: v.engine.Metrics(), Version: v.opts.Version, Store: v.engine.Store(), Database: v.opts.Database, Settings: v.opts.Settings,
	}
	var err error
	if p.Latency, err = v.engine.Latency(v); err == nil {
		err = v.engine.Ready(v)
	}
	if err != nil {
		p.Trouble = sentence(err.Error())
		return p, nil
	}
	p.About, err = v.engine.DescribeStore(v)
	return p, err
}

// StoreName is what people call the store.
func (p *systemPage) StoreName() string {
	switch p.Store {
	case "sqlite":
		return "SQLite"
	case "postgres":
		return "PostgreSQL"
	default:
		return p.Store
	}
}

// PerBatch is how many commands shared a commit, on average.
func (p *systemPage) PerBatch() string { return perBatch(p.Batches, p.Commands) }

// PerCommit is how long a commit took, on average.
func (p *systemPage) PerCommit() string { return perCommit(p.Batches, p.CommitTime) }

// LatelyPerBatch is PerBatch of the last minute.
func (p *systemPage) LatelyPerBatch() string { return perBatch(p.Lately.Batches, p.Lately.Commands) }

// LatelyPerCommit is PerCommit of the last minute.
func (p *systemPage) LatelyPerCommit() string {
	return perCommit(p.Lately.Batches, p.Lately.CommitTime)
}

// LatelySlowest is how long the longest commit of the last minute took.
func (p *systemPage) LatelySlowest() string {
	if p.Lately.Batches == 0 {
		return "–"
	}
	return millis(p.Lately.Slowest)
}

func perBatch(batches, commands uint64) string {
	if batches == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", float64(commands)/float64(batches))
}

func perCommit(batches uint64, took time.Duration) string {
	if batches == 0 {
		return "–"
	}
	return millis(took / time.Duration(batches))
}

// Answered is how long the database took to answer.
func (p *systemPage) Answered() string { return millis(p.Latency) }

// millis writes what is mostly milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// KeyShare is how many of the keys asked for were in memory, in percent.
func (p *systemPage) KeyShare() string {
	if p.KeyHits+p.KeyQueries == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", float64(p.KeyHits)/float64(p.KeyHits+p.KeyQueries)*100)
}

// Skew is how far this server's clock is off the store's.
func (p *systemPage) Skew() string {
	if p.ClockSkew == 0 {
		return "no"
	}
	return p.ClockSkew.String()
}
