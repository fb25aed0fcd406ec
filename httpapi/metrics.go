package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rentroll/rentroll"
)

// metrics are what /metrics shows. Labels are routes, methods, statuses and codes, of which there are few; never
// tenants, of which there may be millions.
type metrics struct {
	registry *prometheus.Registry
	inFlight prometheus.Gauge
	duration *prometheus.HistogramVec
	problems *prometheus.CounterVec
}

func newMetrics(engine *rentroll.Engine, version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rentroll_http_requests_in_flight", Help: "Requests that are being answered now.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rentroll_http_request_duration_seconds", Help: "How long requests took, by route and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route", "status"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rentroll_http_problems_total", Help: "Requests that were refused or failed, by route and code.",
		}, []string{"route", "code"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rentroll_build_info", Help: "Always 1; the label is the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		m.inFlight, m.duration, m.problems, build, engineMetrics{engine},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// observe counts a request that has been answered.
func (m *metrics) observe(method, route string, status int, code rentroll.Code, took time.Duration) {
	m.duration.WithLabelValues(knownMethod(method), route, strconv.Itoa(status)).Observe(took.Seconds())
	if code != "" {
		m.problems.WithLabelValues(route, string(code)).Inc()
	}
}

// knownMethod keeps made-up methods from becoming labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// engineMetrics shows an engine's own counters.
type engineMetrics struct{ engine *rentroll.Engine }

var (
	descBatches        = engineDesc("batches_total", "Transactions that lanes have committed.")
	descCommands       = engineDesc("commands_total", "Commands decided in them.")
	descRetries        = engineDesc("retries_total", "Transactions repeated after a serialization failure or deadlock.")
	descIsolated       = engineDesc("isolated_batches_total", "Batches that failed on one command's data and were repeated in parts.")
	descUnknownCommits = engineDesc("unknown_commits_total", "Commits whose outcome had to be looked up.")
	descCommitTime     = engineDesc("commit_seconds_total", "How long those transactions took, all together.")
	descSweeps         = engineDesc("sweeps_total", "Rounds of looking for what is overdue in quiet tenants.")
	descFailedSweeps   = engineDesc("failed_sweeps_total", "Those of them that did not come to their end.")
	descKeyHits        = engineDesc("key_hits_total", "API keys that were found in memory.")
	descKeyQueries     = engineDesc("key_queries_total", "Queries for API keys that were not.")
	descKeyStale       = engineDesc("key_stale_total", "API keys that were good by what was in memory while the store did not answer.")
	descServers        = engineDesc("servers", "Servers that share the store, this one included.")
	descLanes          = engineDesc("lanes", "This server's share of the transactions that write at once.")
	descWaitingTenants = engineDesc("waiting_tenants", "Tenants with commands in a queue now.")
	descWaitingBytes   = engineDesc("waiting_bytes", "What waiting commands hold in memory now.")
	descWaitingBulk    = engineDesc("waiting_bulk_bytes", "The part of that of usage that is written in bulk.")
)

func engineDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("rentroll_engine_"+name, help, nil, nil)
}

// Describe names the metrics.
func (e engineMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBatches, descCommands, descRetries, descIsolated, descUnknownCommits, descKeyHits, descKeyQueries, descKeyStale,
		descCommitTime, descSweeps, descFailedSweeps, descServers, descLanes, descWaitingTenants, descWaitingBytes, descWaitingBulk,
	} {
		out <- d
	}
}

// Collect reads the counters.
func (e engineMetrics) Collect(out chan<- prometheus.Metric) {
	m := e.engine.Metrics()
	counter := func(d *prometheus.Desc, v uint64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	counter(descBatches, m.Batches)
	counter(descCommands, m.Commands)
	counter(descRetries, m.Retries)
	counter(descIsolated, m.Isolated)
	counter(descUnknownCommits, m.UnknownCommits)
	counter(descKeyHits, m.KeyHits)
	counter(descKeyQueries, m.KeyQueries)
	counter(descKeyStale, m.KeyStale)
	counter(descSweeps, m.Sweeps)
	counter(descFailedSweeps, m.FailedSweeps)
	out <- prometheus.MustNewConstMetric(descCommitTime, prometheus.CounterValue, m.CommitTime.Seconds())
	out <- prometheus.MustNewConstMetric(descServers, prometheus.GaugeValue, float64(m.Servers))
	out <- prometheus.MustNewConstMetric(descLanes, prometheus.GaugeValue, float64(m.Lanes))
	out <- prometheus.MustNewConstMetric(descWaitingTenants, prometheus.GaugeValue, float64(m.WaitingTenants))
	out <- prometheus.MustNewConstMetric(descWaitingBytes, prometheus.GaugeValue, float64(m.WaitingBytes))
	out <- prometheus.MustNewConstMetric(descWaitingBulk, prometheus.GaugeValue, float64(m.WaitingBulkBytes))
}
