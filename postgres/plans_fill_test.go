package postgres_test

import (
	"fmt"
	"strings"
	"sync"
)

// The rows that plans are looked at with. Row n of a table is the same each time: its ids are n as a UUID.
const bigTenant = 501

// helpers are what the expressions below call. uid makes n a UUID. The others say whose row n is: owner gives nine of
// ten rows to the big tenant, which lies in the middle of a thousand others, and whose rows lie between theirs; single
// leaves one row to each of most tenants, and every twentieth to the big one; evenly gives a thousand tenants as many.
const helpers = `
	CREATE FUNCTION uid(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$;
	CREATE FUNCTION owner(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
		SELECT uid(CASE WHEN n % 10 <> 0 THEN 501 ELSE (n / 10) % 1000 + 1 + ((n / 10) % 1000 >= 500)::int END) $$;
	CREATE FUNCTION single(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
		SELECT uid(CASE WHEN n % 20 = 1 THEN 501 ELSE n END) $$;
	CREATE FUNCTION evenly(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT uid(n % 1001 + 1) $$;
	CREATE FUNCTION hash(n bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT decode(lpad(to_hex(n), 64, '0'), 'hex') $$;`

// filling is how one table is filled: how many rows at most, and each column as an expression of n. Columns that are
// left out are NULL or have a default.
type filling struct {
	table   string
	rows    int
	columns string // "name=expression", separated by semicolons
}

// fillings has every table. What grows without bound may have a million rows. Tables with foreign keys come first, because
// unlogged tables may refer to others, but none that is logged to them.
var fillings = []filling{
	{"members", 200_000, "tenant_id=single(n); user_id=uid(n); id=uid(n); role='viewer'; created_at=n"},
	{"api_keys", 200_000, `tenant_id=single(n); id=uid(n); name='key'; key_prefix='rk_'; hash=hash(n); family=uid(n);
		permissions='[]'; expires_at=CASE WHEN n % 7 = 0 THEN n END; created_at=n;
		key_suffix='e' || n % 1000; begins=hash(n);
		status=CASE WHEN n % 3 = 0 THEN 'revoked' ELSE 'active' END`},
	{"accounts", 200_000, `tenant_id=uid(n); status=CASE WHEN n % 5000 = 0 THEN 'suspended' ELSE 'active' END; since=n;
		plan='plan' || n % 20; overrides=''; timezone='UTC'; anchor_day=1; day_start=0; day_end=n; runs_today=0;
		month_start=0; month_end=n; tokens_used=0; tokens_ahead=0; concurrent_runs=0; tokens_reserved=0; workers=0;
		api_keys=0; owners=1; next_lease_expiry=CASE WHEN n % 7 = 0 THEN n ELSE 0 END; next_key_expiry=0;
		cancel_before=0; audit_sequence=0; generation=0; last_now=n`},
	{"tenants", 200_000, `tenant_id=uid(n); slug='slug-' || n; name='Name'; metadata='{}'; search='slug-' || n || ' name';
		created_at=n; updated_at=n`},
	{"plans", 20, "name='plan' || n % 20; limits='{}'; retired=0"},
	{"directory", 200_000, "kind=CASE n % 2 WHEN 0 THEN 'slug' ELSE 'external_id' END; value='value-' || n; owner=uid(n)"},
	{"users", 200_000, `id=uid(n); email=CASE WHEN n % 5000 = 7 THEN 'shared@example.com' ELSE 'user' || n || '@example.com' END;
		created_at=n`},
	{"operator_keys", 20, "id=uid(n); name='key'; hash=hash(n); created_at=n"},
	{"sessions", 100_000, "hash=hash(n); key_hash=hash(n); tenant_id=evenly(n); api_key_id=uid(n); created_at=n; seen_at=n; expires_at=n; ends_at=n"},
	{"api_key_uses", 200_000, "tenant_id=single(n); id=uid(n); last_used_at=n; total_requests=n"},
	{"key_uses", 100_000, "tenant_id=owner(n); family=uid(n); concurrent_runs=0; tokens_reserved=0; tokens_used=0; month_start=0"},
	{"workers", 10_000, "tenant_id=owner(n); worker_id='worker-' || n; enabled=1"},
	{"subjects", 100_000, "tenant_id=owner(n); subject='subject-' || n; limits=''; concurrent_runs=0; tokens_reserved=0; runs_used=0; runs_ahead=0; day_start=0; day_end=0; tokens_used=0; tokens_ahead=0; month_start=0; month_end=0; created_at=n"},
	{"runs", 1_000_000, `tenant_id=owner(n); id=uid(n); worker_id='worker-' || n % 50; api_key_id=uid(n % 20); task='task';
		status=CASE WHEN n % 97 < 10 THEN 2 ELSE 3 + n % 4 END; reserved_tokens=1000; tokens_so_far=0; attempt=1; is_retry=0;
		late=0; over_soft_limit=0; cancel_requested=0; lease=60; lease_expires_at=n; created_at=n; payloads=0`},
	{"run_payloads", 500_000, "tenant_id=owner(n); run_id=uid(n); kind=1; body='{}'"},
	{"meters", 10_000, "tenant_id=owner(n); name='meter-' || n; unit='token'"},
	{"usage_events", 1_000_000, `tenant_id=owner(n); time=n; id=uid(n); meter='meter-' || n % 5; amount=1; unit='token';
		recorded_at=n`},
	{"usage_marks", 1_000_000, "tenant_id=owner(n); event_id='event-' || n; fingerprint=hash(n); usage_id=uid(n); recorded_at=n"},
	{"usage_rollups", 1_000_000, `tenant_id=owner(n); dimension=CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'worker' ELSE 'key' END;
		bucket=n / 60; meter='meter-' || n % 60; value=CASE n % 3 WHEN 0 THEN '' ELSE 'value' END; total=1; events=1`},
	{"usage_peaks", 1_000_000, `tenant_id=owner(n); dimension=CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN 'worker' ELSE 'key' END;
		bucket=n / 60; meter='meter-' || n % 60; value=CASE n % 3 WHEN 0 THEN '' ELSE 'value' END; peak=1`},
	{"usage_values", 100_000, "tenant_id=owner(n); meter='meter-' || n % 5; dimension='model'; month=n / 1000; value='value-' || n; known=0"},
	{"meter_prices", 10_000, "tenant_id=owner(n); meter='meter-' || n % 5; from_at=n; price_micros=n; price_per=1"},
	{"periods", 100_000, "tenant_id=owner(n); start_at=n; end_at=n + 1"},
	{"idempotency", 1_000_000, "tenant_id=owner(n); operation='run.create'; key='key-' || n; fingerprint=hash(n); result=''; created_at=n"},
	{"audit", 1_000_000, `tenant_id=owner(n); sequence=n; id=uid(n); at=n; actor='system'; action='run.created'; resource_type='run';
		resource_id='run'`},
	{"audit_checkpoints", 100_000, "tenant_id=uid(n); sequence=100; chained_from=1; pruned=100; older_than=n; at=n; removed=100"},
	{"chores", 100_000, "tenant_id=uid(n); kind='purge'; began_at=n"},
	{"denials", 100_000, "tenant_id=evenly(n); id=uid(n); at=n; code='quota_exceeded'; reason='full'"},
	{"events", 100_000, "tenant_id=owner(n); id=uid(n); type='quota.threshold_reached'; at=n; data='{}'"},
	{"denial_counts", 100_000, "tenant_id=owner(n); minute=n; code='quota_exceeded'; quota='runs'; denials=1"},
	{"activity", 1500, "minute=n; server_id=uid(1); admitted=1; denied=1"},
	{"pruned", 10_000, "tenant_id=evenly(n); kind='kind-' || n; until_at=n"},
	{"batches", 200_000, "id=uid(n)"},
}

// insert returns the statement that makes those of the rows behind low, up to high, for which a condition holds.
func (f filling) insert(low, high int, condition string) string {
	var names, values []string
	for part := range strings.SplitSeq(f.columns, ";") {
		name, value, _ := strings.Cut(part, "=")
		names = append(names, strings.TrimSpace(name))
		values = append(values, value)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(%d::bigint, %d) AS n WHERE %s",
		f.table, strings.Join(names, ", "), strings.Join(values, ", "), low+1, min(high, f.rows), condition)
}

// fill makes those of the rows behind low, up to high, of every table for which a condition holds. Foreign keys are not
// looked at: the rows that they lead to may come later.
func (p *planTest) fill(low, high int, condition string) {
	p.Helper()
	statements := make(chan string, len(fillings))
	for _, f := range fillings {
		statements <- f.insert(low, high, condition)
	}
	close(statements)
	var group sync.WaitGroup
	for range planLanes {
		conn := p.connect()
		group.Go(func() {
			for statement := range statements {
				if _, err := conn.Exec(p.Context(), "SET session_replication_role = replica; "+statement); err != nil {
					p.Errorf("%s: %v", statement, err)
				}
			}
		})
	}
	group.Wait()
}

// tables are the names of the tables that are filled.
func tables() (names []string) {
	for _, f := range fillings {
		names = append(names, f.table)
	}
	return names
}
