package storetest

import (
	"context"
	"encoding/json"

	"github.com/rentroll/rentroll"
)

func payloadTests() []test {
	return []test{
		{"RoundTrip", payloadRoundTrip},
		{"KeptAsTheyCame", payloadsAsTheyCame},
		{"OfOneRunOnly", payloadsOfOneRun},
		{"OneByOne", payloadsOneByOne},
		{"InsertWhatIsThere", payloadConflict},
	}
}

func payloadOf(ref rentroll.RunRef, kind rentroll.PayloadKind, body string) *rentroll.Payload {
	return &rentroll.Payload{TenantID: ref.TenantID, RunID: ref.RunID, Kind: kind, Body: json.RawMessage(body)}
}

func newRunRef(s *scene) rentroll.RunRef {
	return rentroll.RunRef{TenantID: newID[rentroll.TenantID](s), RunID: newID[rentroll.RunID](s)}
}

func (s *scene) putPayloads(rows ...*rentroll.Payload) {
	s.Helper()
	s.put(func(b *rentroll.Batch) { b.Payloads = rows })
}

// payloads reads those of a run, by kind: they come in no particular order.
func (s *scene) payloads(ref rentroll.RunRef) map[rentroll.PayloadKind]*rentroll.Payload {
	s.Helper()
	out := make(map[rentroll.PayloadKind]*rentroll.Payload)
	s.view(func(ctx context.Context, r rentroll.Reader) error {
		rows, err := r.LoadPayloads(ctx, ref)
		for _, p := range rows {
			out[p.Kind] = p
		}
		if len(out) != len(rows) {
			s.Errorf("got %d payloads of %d kinds", len(rows), len(out))
		}
		return err
	})
	return out
}

func payloadRoundTrip(s *scene) {
	ref := newRunRef(s)
	want := map[rentroll.PayloadKind]*rentroll.Payload{
		rentroll.PayloadInput:       payloadOf(ref, rentroll.PayloadInput, `{"a":1}`),
		rentroll.PayloadOutput:      payloadOf(ref, rentroll.PayloadOutput, `[]`),
		rentroll.PayloadReplayToken: payloadOf(ref, rentroll.PayloadReplayToken, `"…"`),
	}
	for _, p := range want {
		complete(s, *p)
		s.putPayloads(p)
	}
	same(s, "the payloads", s.payloads(ref), want)
}

// payloadsAsTheyCame: they are the caller's bytes, not values to be written again.
func payloadsAsTheyCame(s *scene) {
	for _, body := range []string{
		" \n\t{ \"b\" : 1.00, \"a\":2 ,\"a\" : 3 }\r\n ", "0", "1e400", "-0.0", "123456789012345678901234567890", `"\ud800"`,
		`"\u00e9é\u0301<>&` + "\u2028\u2029\x7f" + `"`, `"\\x00\\"`, "true", `""`,
	} {
		ref := newRunRef(s)
		s.putPayloads(payloadOf(ref, rentroll.PayloadInput, body))
		got := s.payloads(ref)[rentroll.PayloadInput]
		if got == nil || string(got.Body) != body {
			s.Errorf("%q came back as %+v", body, got)
		}
	}
}

func payloadsOfOneRun(s *scene) {
	one := newRunRef(s)
	two := rentroll.RunRef{TenantID: one.TenantID, RunID: newID[rentroll.RunID](s)}
	three := rentroll.RunRef{TenantID: newID[rentroll.TenantID](s), RunID: one.RunID}
	for i, ref := range []rentroll.RunRef{one, two, three} {
		s.putPayloads(payloadOf(ref, rentroll.PayloadInput, []string{"1", "2", "3"}[i]))
	}
	for i, ref := range []rentroll.RunRef{one, two, three} {
		want := payloadOf(ref, rentroll.PayloadInput, []string{"1", "2", "3"}[i])
		same(s, "the payloads", s.payloads(ref), map[rentroll.PayloadKind]*rentroll.Payload{rentroll.PayloadInput: want})
	}
	same(s, "the payloads of no run", s.payloads(newRunRef(s)), nil)
}

func payloadsOneByOne(s *scene) {
	ref := newRunRef(s)
	s.putPayloads(payloadOf(ref, rentroll.PayloadInput, "1"))
	s.putPayloads(payloadOf(ref, rentroll.PayloadOutput, "2"), payloadOf(ref, rentroll.PayloadReplayToken, "3"))
	if n := len(s.payloads(ref)); n != 3 {
		s.Errorf("got %d payloads, want 3", n)
	}
}

func payloadConflict(s *scene) {
	ref := newRunRef(s)
	s.putPayloads(payloadOf(ref, rentroll.PayloadInput, "1"))
	s.refuse(func(b *rentroll.Batch) {
		b.Payloads = []*rentroll.Payload{payloadOf(ref, rentroll.PayloadOutput, "2"), payloadOf(ref, rentroll.PayloadInput, "3")}
	})
	want := payloadOf(ref, rentroll.PayloadInput, "1")
	same(s, "the payloads", s.payloads(ref), map[rentroll.PayloadKind]*rentroll.Payload{rentroll.PayloadInput: want})
}
