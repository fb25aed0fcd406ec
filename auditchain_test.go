package rentroll

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// goldenRows are two rows that were written once, with the hashes that they were given. The format must not change: rows
// out there would not hold any more. Who wants another format gives it another version.
func goldenRows() []*AuditRow {
	created := &AuditRow{
		ID: AuditID{1, 2, 15: 3}, TenantID: TenantID{4, 15: 5}, Sequence: 1, At: time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC),
		Actor: "operator:née", Action: "tenant.create", ResourceType: "tenant", ResourceID: "ten_1",
		New:       json.RawMessage(`{"name":"Acme \u0026 Co.","plan":"pro","billing_email":"ap@acme.example","metadata":{"a":"b"}}`),
		RequestID: "req-1", IP: "2001:db8::1", UserAgent: "curl/8",
	}
	moved := &AuditRow{
		ID: AuditID{6, 15: 7}, TenantID: created.TenantID, Sequence: 2, At: created.At.Add(time.Second),
		Actor: "program", Action: "tenant.plan", ResourceType: "tenant", ResourceID: "ten_1",
		Old: json.RawMessage(`{"plan":"pro"}`), New: json.RawMessage(`{"plan":"free"}`),
	}
	created.chain(AuditHash{}, AuditSalt{8, 15: 9})
	moved.chain(created.Hash, AuditSalt{10, 15: 11})
	return []*AuditRow{created, moved}
}

func TestAuditFormat(t *testing.T) {
	t.Parallel()
	rows := goldenRows()
	erased := *rows[0]
	erased.Erase()
	for _, golden := range []struct{ what, got, want string }{
		{"the first row", rows[0].Hash.String(), "7c5d9c2ff38c5f404efe5e930f1668c326910c94842b0a405b6d4f69d8e83735"},
		{"the second row", rows[1].Hash.String(), "0e42acd93405179784fe816eac1063ef5160d275977004c3a2834d0e6aca61b4"},
		{"what was personal", erased.PersonalHash.String(), "1f6faee4be3d91a2c9c0ee7cd002b339c277c3b6fa3209e92e2eea968cf028fd"},
	} {
		if golden.got != golden.want {
			t.Errorf("the hash of %s is %s, and was %s: the format has changed", golden.what, golden.got, golden.want)
		}
	}
}

// Every member of a row is hashed: whoever adds one to the row adds it to the format, as a new version, or says here why
// not.
func TestAuditRowIsHashedWhole(t *testing.T) {
	t.Parallel()
	for field, change := range alterations {
		row := goldenRows()[0]
		change(row)
		if row.whole() {
			t.Errorf("the row holds with another %s", field)
		}
	}
	if fields := fieldsOf[AuditRow](); len(fields) != len(alterations) {
		t.Errorf("a row has %v, and %d of them are changed here", fields, len(alterations))
	}
}

// alterations change one field of a row each.
var alterations = map[string]func(*AuditRow){
	"ID":           func(r *AuditRow) { r.ID[15]++ },
	"TenantID":     func(r *AuditRow) { r.TenantID[15]++ },
	"Sequence":     func(r *AuditRow) { r.Sequence++ },
	"At":           func(r *AuditRow) { r.At = r.At.Add(time.Microsecond) },
	"Actor":        func(r *AuditRow) { r.Actor += "x" },
	"Action":       func(r *AuditRow) { r.Action += "x" },
	"ResourceType": func(r *AuditRow) { r.ResourceType += "x" },
	"ResourceID":   func(r *AuditRow) { r.ResourceID += "x" },
	"Old":          func(r *AuditRow) { r.Old = json.RawMessage(`{}`) },
	"New":          func(r *AuditRow) { r.New = bytes.Replace(r.New, []byte("ap@"), []byte("xp@"), 1) },
	"RequestID":    func(r *AuditRow) { r.RequestID = "" },
	"IP":           func(r *AuditRow) { r.IP = "" },
	"UserAgent":    func(r *AuditRow) { r.UserAgent += "x" },
	"Hash":         func(r *AuditRow) { r.Hash[0]++ },
	"PreviousHash": func(r *AuditRow) { r.PreviousHash[0]++ },
	"Salt":         func(r *AuditRow) { r.Salt[0]++ },
	"PersonalHash": func(r *AuditRow) { r.PersonalHash[0]++ },
}

func fieldsOf[T any]() (names []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		names = append(names, field.Name)
	}
	return names
}

// What moves from one text to the next changes the hash.
func TestAuditTextsHaveEnds(t *testing.T) {
	t.Parallel()
	row := goldenRows()[1]
	row.Actor, row.Action = row.Actor+row.Action[:1], row.Action[1:]
	if row.whole() {
		t.Error("the row holds though a letter moved from one text to the next")
	}
}

// An erased row holds, says nothing personal, and says everything else.
func TestAuditErase(t *testing.T) {
	t.Parallel()
	rows := goldenRows()
	rows[0].Erase()
	if !rows[0].whole() || !rows[0].Erased() {
		t.Error("the erased row does not hold")
	}
	text, err := json.Marshal(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"Acme", "ap@acme.example", "2001:db8", "curl", `"b"`} {
		if strings.Contains(string(text), personal) {
			t.Errorf("the erased row still says %s: %s", personal, text)
		}
	}
	if diff := cmp.Diff(string(rows[0].New), `{"name":null,"plan":"pro","billing_email":null,"metadata":null}`); diff != "" {
		t.Error(diff)
	}
	twice := *rows[0]
	twice.Erase()
	if diff := cmp.Diff(&twice, rows[0]); diff != "" {
		t.Errorf("erasing twice changes it: %s", diff)
	}
	if broken := checkRows(rows, nil); broken != nil {
		t.Errorf("the chain with an erased row: %+v", broken)
	}
	for what, change := range map[string]func(*AuditRow){
		"an address":      func(r *AuditRow) { r.IP = "::1" },
		"a name":          func(r *AuditRow) { r.New = bytes.Replace(r.New, []byte("null"), []byte(`"Mallory"`), 1) },
		"another plan":    func(r *AuditRow) { r.New = bytes.Replace(r.New, []byte("pro"), []byte("free"), 1) },
		"a salt as well":  func(r *AuditRow) { r.Salt[0]++ },
		"no hash of what": func(r *AuditRow) { r.PersonalHash = AuditHash{} },
	} {
		row := *rows[0]
		change(&row)
		if row.whole() {
			t.Errorf("the erased row holds with %s", what)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		`{"plan":"pro"}`:                       `{"plan":"pro"}`,
		`{ "name" : "x" , "plan":"pro" }`:      `{ "name" : null , "plan":"pro" }`,
		`{"n\u0061me":{"a":[1,{}]},"limit":1}`: `{"n\u0061me":null,"limit":1}`,
		`{"email":null,"email":"b"}`:           `{"email":null,"email":null}`,
		`{"Name":"x","deep":{"name":"y"}}`:     `{"Name":"x","deep":{"name":null}}`,
		`[[1,{"limit":1,"reason":"z"}],{}]`:    `[[1,{"limit":1,"reason":null}],{}]`,
		`["name","x"]`:                         `["name","x"]`,
		`{"name":"x"`:                          `{"name":"x"`,
		`{"name":`:                             `{"name":`,
		``:                                     ``,
		`null`:                                 ``,
	} {
		got, _ := redact(json.RawMessage(object))
		if string(got) != want {
			t.Errorf("%s becomes %s, want %s", object, got, want)
		}
		if again, _ := redact(got); !bytes.Equal(again, got) {
			t.Errorf("%s becomes %s the second time", got, again)
		}
	}
}

// Whatever somebody puts into the database, nothing breaks, and what is taken out fits back in.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{`{"name":"x","a":[{"email":null}]}`, `{"name":"x"`, `"name"`, `{"a":1} {"name":2}`, strings.Repeat("[", 200)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, taken := redact(text)
		if again, _ := redact(out); !bytes.Equal(again, out) {
			t.Errorf("%q becomes %q, and that %q", text, out, again)
		}
		size := len(out)
		for _, v := range taken {
			size += len(v.value) - len("null")
		}
		if string(text) != "null" && size != len(text) {
			t.Errorf("%q becomes %q without %q", text, out, taken)
		}
	})
}

// drawRow draws a row that says anything.
func drawRow(t *rapid.T) *AuditRow {
	text := rapid.SampledFrom([]string{"", "a", "ab", "née", "{}", "name"})
	object := rapid.SampledFrom([]json.RawMessage{
		nil, json.RawMessage(`{"name":"x","plan":"y"}`), json.RawMessage(`{"email":null}`), json.RawMessage(`{"plan":"name"}`), json.RawMessage(`{}`),
	})
	return &AuditRow{
		ID: AuditID{rapid.Byte().Draw(t, "id")}, TenantID: TenantID{1}, At: noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "at")) * time.Second),
		Actor: text.Draw(t, "actor"), Action: text.Draw(t, "action"), ResourceType: text.Draw(t, "type"), ResourceID: text.Draw(t, "resource"),
		Old: object.Draw(t, "old"), New: object.Draw(t, "new"),
		RequestID: NullString(text.Draw(t, "request")), IP: NullString(text.Draw(t, "ip")), UserAgent: NullString(text.Draw(t, "agent")),
	}
}

// drawChain draws a chain whose first rows may be from before there was one, and whose rows may be erased; it survives
// the trip through JSON.
func drawChain(t *rapid.T) ([]*AuditRow, *AuditHead) {
	n := rapid.IntRange(4, 12).Draw(t, "rows")
	from := rapid.IntRange(1, 3).Draw(t, "chained from")
	head := &AuditHead{TenantID: TenantID{1}}
	var rows []*AuditRow
	for i := range n {
		row := drawRow(t)
		row.Sequence = int64(i + 1)
		if row.Sequence >= int64(from) {
			row.chain(head.Hash, AuditSalt{byte(i), 1})
		}
		head.Sequence, head.Hash = row.Sequence, row.Hash
		if rapid.Bool().Draw(t, "erased") {
			row.Erase()
		}
		rows = append(rows, throughJSON(t, row))
	}
	return rows, head
}

func throughJSON(t *rapid.T, row *AuditRow) *AuditRow {
	text, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	out := &AuditRow{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func checkRows(rows []*AuditRow, head *AuditHead) *AuditBreak {
	check := AuditCheck{}
	for _, row := range rows {
		if !check.Add(row) {
			break
		}
	}
	return check.End(head)
}

func TestAuditChainHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, head := drawChain(t)
		if broken := checkRows(rows, head); broken != nil {
			t.Fatalf("%+v", broken)
		}
	})
}

// Whatever is done to a chained row is found, and found in its place.
func TestAuditTamper(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, head := drawChain(t)
		first := slices.IndexFunc(rows, func(r *AuditRow) bool { return !r.Hash.IsZero() })
		i := rapid.IntRange(first, len(rows)-1).Draw(t, "row")
		j := rapid.IntRange(first, len(rows)-1).Filter(func(j int) bool { return j != i }).Draw(t, "other row")
		at, last := int64(i+1), int64(len(rows))
		want := AuditBreak{Sequence: at}
		switch tampering := rapid.SampledFrom([]string{"remove", "cut", "close up", "swap", "insert", "copy", "append", "forge"}).Draw(t, "tampering"); tampering {
		case "remove":
			rows = slices.Delete(rows, i, i+1)
			want.Fault = AuditRemoved
			if at == last {
				want.Fault = AuditTruncated
			}
		case "cut":
			rows, want.Fault = rows[:i], AuditTruncated
		case "close up": // remove, and number the others anew
			rows, want.Fault = renumbered(slices.Delete(rows, i, i+1)), AuditRemoved
			if at == last {
				want.Fault = AuditTruncated
			}
		case "swap":
			rows[i], rows[j] = rows[j], rows[i]
			rows, want.Sequence, want.Fault = renumbered(rows), int64(min(i, j)+1), AuditReordered
		case "insert", "copy": // move the others up
			forged := *rows[j]
			if tampering == "insert" {
				forged.Actor += "mallory"
			}
			rows, want.Fault = renumbered(slices.Insert(rows, i, &forged)), AuditInserted
		case "append":
			forged := *rows[j]
			forged.Sequence = last + 1
			forged.chain(rows[last-1].Hash, AuditSalt{1})
			rows, want.Sequence, want.Fault = append(rows, &forged), last+1, AuditInserted
		case "forge": // with a hash that is right
			forged := *rows[i]
			forged.Actor += "mallory"
			forged.chain(forged.PreviousHash, AuditSalt{1})
			rows[i], want.Fault = &forged, AuditAltered
			if at == last {
				want.Fault = AuditHeadMismatch
			}
		}
		broken := checkRows(rows, head)
		if broken == nil {
			t.Fatal("nothing was found")
		}
		if want.Detail = broken.Detail; *broken != want {
			t.Fatalf("%+v, want %+v", *broken, want)
		}
	})
}

func renumbered(rows []*AuditRow) []*AuditRow {
	out := make([]*AuditRow, len(rows))
	for i, row := range rows {
		r := *row
		r.Sequence = int64(i + 1)
		out[i] = &r
	}
	return out
}

// A signed head is found in the chain, also when the account was made to agree with forged rows.
func TestAuditSignedHead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, head := drawChain(t)
		i := rapid.IntRange(0, len(rows)-1).Draw(t, "signed")
		signed := &AuditHead{Sequence: int64(i + 1), Hash: rows[i].Hash}
		with := func(rows []*AuditRow) *AuditBreak {
			check := AuditCheck{Signed: signed}
			for _, row := range rows {
				check.Add(row)
			}
			return check.End(head)
		}
		if broken := with(rows); broken != nil {
			t.Fatalf("the chain that was signed: %+v", *broken)
		}
		forged := *rows[i]
		forged.Actor += "mallory"
		forged.chain(rows[i].PreviousHash, AuditSalt{1})
		rewritten := append(slices.Clone(rows[:i]), &forged)
		head.Sequence, head.Hash = forged.Sequence, forged.Hash
		if broken := checkRows(rewritten, head); broken != nil {
			t.Fatalf("without a signed head nobody can know: %+v", *broken)
		}
		if broken := with(rewritten); broken == nil || broken.Sequence != signed.Sequence || broken.Fault != AuditHeadReplaced {
			t.Fatalf("the forged row: %+v", broken)
		}
		head.Sequence, head.Hash = int64(i), AuditHash{}
		if i > 0 {
			head.Hash = rows[i-1].Hash
		}
		if broken := with(rows[:i]); broken == nil || broken.Sequence != signed.Sequence || broken.Fault != AuditTruncated {
			t.Fatalf("the chain cut before its head: %+v", broken)
		}
	})
}
