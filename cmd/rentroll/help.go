package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// examples are shown at the end of each command's help. A test parses all of them.
var examples = map[string][]string{
	"": {
		"rentroll serve --demo",
		"rentroll tenant list",
	},
	"serve": {
		"rentroll serve",
		"rentroll serve --database /var/lib/rentroll/rentroll.db --listen :8080 --operator-key-file /run/secrets/operator",
		"rentroll serve --database 'postgres://rentroll@db.internal/rentroll?sslmode=verify-full' --listen :8080",
		"rentroll serve --demo",
	},
	"migrate": {
		"rentroll migrate --database rentroll.db",
		"rentroll migrate --database postgres://owner@db.internal/rentroll",
	},

	"tenant create": {
		`rentroll tenant create acme --name "Acme Inc." --plan pro --timezone Europe/Berlin`,
		"rentroll tenant create acme --override runs_per_day=500 --override tokens_per_month=unlimited --metadata tier=gold",
	},
	"tenant list":      {"rentroll tenant list --status active --plan pro", "rentroll tenant list --all --json | jq -r '.items[].slug'"},
	"tenant get":       {"rentroll tenant get acme"},
	"tenant update":    {"rentroll tenant update acme --override concurrent_runs=40:soft --until 2027-01-01 --reason 'peak season'"},
	"tenant plan":      {"rentroll tenant plan acme enterprise"},
	"tenant suspend":   {"rentroll tenant suspend acme --reason 'Invoice 1042 is unpaid'"},
	"tenant resume":    {"rentroll tenant resume acme"},
	"tenant terminate": {"rentroll tenant terminate acme --reason 'Contract ended'"},
	"tenant archive":   {"rentroll tenant archive acme"},
	"tenant export":    {"rentroll tenant export acme --out acme.zip"},
	"tenant purge":     {"rentroll tenant purge acme", "rentroll tenant purge acme --yes"},
	"tenant quotas":    {"rentroll tenant quotas acme"},
	"tenant denials":   {"rentroll tenant denials acme"},

	"plan list":   {"rentroll plan list"},
	"plan put":    {"rentroll plan put team workers=25 runs_per_day=5000 concurrent_runs=40 tokens_per_month=60000000:soft", "rentroll plan put team meter:emails_sent_per_month=10000"},
	"plan delete": {"rentroll plan delete team"},
	"plan simulate": {
		"rentroll plan simulate free acme --start 2026-01-01 --end 2026-02-01",
		"rentroll plan simulate smaller acme runs_per_day=300 concurrent_runs=5 --start 2026-01-01 --json | jq .days",
	},

	"key create": {
		"rentroll key create acme --name production",
		"rentroll key create acme --name partner --allowed-workers writer --allowed-ips 192.0.2.0/24 --expires-in-days 90 --max-concurrent-runs 2",
	},
	"key list":   {"rentroll key list acme --include-revoked", "rentroll key list --expiring 14 --all"},
	"key find":   {"rentroll key find rr_4bVqT0a9L", "rentroll key find 7Zk0 --tenant acme"},
	"key get":    {"rentroll key get acme key_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"key revoke": {"rentroll key revoke acme key_01jd7q3gq5f2vvr9b4k1x8ehc2 --reason 'Found in a repository'"},
	"key rotate": {
		"rentroll key rotate acme key_01jd7q3gq5f2vvr9b4k1x8ehc2",
		"rentroll key rotate acme key_01jd7q3gq5f2vvr9b4k1x8ehc2 --overlap 168h",
	},
	"key import": {"rentroll key import acme keys.csv", "rentroll key import acme keys.jsonl --json"},
	"key verify": {"rentroll key verify - --permission run:create", "rentroll key verify @key.txt --worker-id writer"},

	"operator-key create": {"rentroll operator-key create support --permissions tenant:manage,read:* --expires-in-days 90"},
	"operator-key list":   {"rentroll operator-key list --include-revoked"},
	"operator-key revoke": {"rentroll operator-key revoke opk_01jd7q3gq5f2vvr9b4k1x8ehc2 --reason 'Left the company'"},

	"user create": {"rentroll user create ada@acme.example --name 'Ada Lovelace' --external-id user_2bYm"},
	"user list":   {"rentroll user list --email ada@acme.example"},
	"user get":    {"rentroll user get usr_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"user delete": {"rentroll user delete usr_01jd7q3gq5f2vvr9b4k1x8ehc2"},

	"member add": {
		"rentroll member add acme usr_01jd7q3gq5f2vvr9b4k1x8ehc2 --role admin",
		"rentroll member add me --email ada@acme.example",
	},
	"member list":   {"rentroll member list acme"},
	"member role":   {"rentroll member role acme usr_01jd7q3gq5f2vvr9b4k1x8ehc2 viewer"},
	"member remove": {"rentroll member remove acme usr_01jd7q3gq5f2vvr9b4k1x8ehc2"},

	"subject list":   {"rentroll subject list acme", "rentroll subject list acme --all --json"},
	"subject show":   {"rentroll subject show acme customer-4711"},
	"subject set":    {"rentroll subject set acme customer-4711 runs_per_day=20 concurrent_runs=2 --reason trial"},
	"subject delete": {"rentroll subject delete acme customer-4711"},

	"worker list":    {"rentroll worker list acme"},
	"worker enable":  {"rentroll worker enable acme writer"},
	"worker disable": {"rentroll worker disable acme writer"},
	"worker remove":  {"rentroll worker remove acme writer"},

	"run create": {
		"rentroll run create acme writer 'Write a business plan' --reserve-tokens 20000",
		"rentroll run create acme writer 'Read the scans' --input @scans.json --lease 5m",
	},
	"run list":      {"rentroll run list acme --status running", "rentroll run list acme --worker-id writer --all --json"},
	"run get":       {"rentroll run get acme run_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"run start":     {"rentroll run start acme run_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"run heartbeat": {"rentroll run heartbeat acme run_01jd7q3gq5f2vvr9b4k1x8ehc2 --tokens-so-far 9000"},
	"run complete": {
		"rentroll run complete acme run_01jd7q3gq5f2vvr9b4k1x8ehc2 --tokens 18500 --latency 42s --cost-micros 370000",
		"rentroll run complete acme run_01jd7q3gq5f2vvr9b4k1x8ehc2 --failed --error 'the model timed out' --tokens 900",
	},
	"run cancel": {"rentroll run cancel acme run_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"run group": {
		`rentroll run group acme '[{"worker_id":"writer","task":"Part 1"},{"worker_id":"writer","task":"Part 2"}]'`,
		"rentroll run group acme @runs.json",
	},
	"run reserve": {"rentroll run reserve acme run_01jd7q3gq5f2vvr9b4k1x8ehc2 20000"},
	"run retry":   {"rentroll run retry acme run_01jd7q3gq5f2vvr9b4k1x8ehc2"},
	"run check":   {"rentroll run check acme --worker-id writer && echo there is room", "rentroll run check acme --tokens 20000"},

	"usage record": {
		"rentroll usage record acme emails_sent 12 --event-id 2026-01-31/4711",
		"rentroll usage record acme --events @events.json",
	},
	"usage consume": {
		"rentroll usage consume acme emails_sent 12 --event-id 2026-01-31/4711",
		`rentroll usage consume acme --items '[{"meter":"emails_sent"},{"meter":"pages","amount":3}]'`,
	},
	"usage summary": {"rentroll usage summary acme", "rentroll usage summary acme --start 2026-01-01 --end 2026-02-01"},

	"usage series": {
		"rentroll usage series acme tokens_used --bucket day",
		"rentroll usage series acme tokens_used --group-by worker --start 2026-01-01 --end 2026-02-01",
	},
	"usage statement": {
		"rentroll usage statement acme", "rentroll usage statement acme 2026-01-01 --json",
		"rentroll usage statement acme 2026-01-01 --format csv > acme-2026-01.csv",
	},
	"usage export": {
		"rentroll usage export acme --statement 2026-01-01 --format csv --out acme-2026-01-events.csv",
		"rentroll usage export acme --start 2026-01-01 --end 2026-01-08 --meter emails_sent | jq -r .event_id",
	},

	"meter list": {"rentroll meter list", "rentroll meter list acme"},
	"meter put":  {"rentroll meter put emails_sent --unit mails --price-micros 400000 --price-per 1000", "rentroll meter put seats --tenant acme --aggregation max"},

	"event list": {"rentroll event list acme", "rentroll event list --limit 100"},
	"audit list": {"rentroll audit list acme", "rentroll audit list acme --actor operator --since 2026-01-31T00:00:00Z", "rentroll audit list --platform"},
	"audit verify": {
		"rentroll audit verify acme",
		"rentroll audit verify acme --head acme-head.json --public-key audit.pub",
		"rentroll audit verify --file acme.jsonl --public-key audit.pub",
	},
	"audit head":   {"rentroll audit head acme --json > acme-head.json", "rentroll audit head --platform"},
	"audit export": {"rentroll audit export acme > acme.jsonl", "rentroll audit export --platform | gzip > platform.jsonl.gz"},
	"audit prune":  {"rentroll audit prune acme --before 2025-01-01", "rentroll audit prune --platform --before 2025-01-01 --json > platform-checkpoint.json"},

	"doctor": {"rentroll doctor", "rentroll doctor --reconcile --tenant acme", "rentroll doctor --reconcile --repair --database postgres://db/rentroll"},

	"version": {"rentroll version"},
	"completion": {
		`eval "$(rentroll completion bash)"`,
		"rentroll completion zsh > ~/.zfunc/_rentroll",
		"rentroll completion fish > ~/.config/fish/completions/rentroll.fish",
	},
}

// printHelp prints the standard help and the examples of the command.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	path := ""
	if selected := ctx.Selected(); selected != nil {
		path = strings.TrimPrefix(selected.FullPath(), ctx.Model.Name+" ")
	}
	list := examples[path]
	if len(list) == 0 || options.Summary {
		return nil
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\nFor example:\n  %s\n", strings.Join(list, "\n  "))
	return err
}
