package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rentroll/rentroll"
)

// answer is a success as huma writes it.
type answer[T any] struct {
	Status   int
	ETag     string `header:"ETag" hidden:"true"` //nolint:tagliatelle // as it is registered
	Location string `header:"Location" hidden:"true"`
	Replayed string `header:"Idempotency-Replayed" hidden:"true"`
	Body     ready[T]
}

// nothing is the answer of operations that have nothing to say.
type nothing struct{}

// ready is a value with its JSON, which is made once for both the ETag and the body.
type ready[T any] struct{ json []byte }

// MarshalJSON returns the JSON as it was made.
func (r ready[T]) MarshalJSON() ([]byte, error) { return r.json, nil }

// Schema describes the value.
func (r ready[T]) Schema(registry huma.Registry) *huma.Schema {
	return registry.Schema(reflect.TypeFor[T](), true, "")
}

// raw is an answer's JSON that no encoder may touch.
type raw interface{ bytes() []byte }

func (r ready[T]) bytes() []byte { return r.json }

// format is how huma writes bodies. It reads none: see body.go.
var format = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		var body []byte
		var err error
		if r, ok := v.(raw); ok {
			body = r.bytes()
		} else if body, err = encode(v); err != nil {
			return err
		}
		_, _ = w.Write(body) // nobody is left to tell that the client went away
		return nil
	},
	Unmarshal: func([]byte, any) error { return errors.New("httpapi: bodies are read by decode") },
}

// encode returns the JSON of an answer.
func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case *rentroll.Verification:
		return appendVerification(make([]byte, 0, 512), v), nil
	case *rentroll.Run:
		return encodeRun(v)
	case *admission:
		if v.group == nil {
			return encodeRun(v.run)
		}
		items := make([][]byte, len(v.group.Items))
		for i, run := range v.group.Items {
			var err error
			if items[i], err = encodeRun(run); err != nil {
				return nil, err
			}
		}
		return slices.Concat([]byte(`{"items":[`), bytes.Join(items, []byte(",")), []byte("]}")), nil
	default:
		return marshal(v)
	}
}

// encodeRun puts the payloads of a run in as they came: every encoder would tidy up their white space.
func encodeRun(run *rentroll.Run) ([]byte, error) {
	// The engine takes no text with a NUL, so that what stands for a payload can't be part of anything else.
	tidied := *run
	pieces := map[string]*json.RawMessage{
		`"\u0000input"`: &tidied.Input, `"\u0000output"`: &tidied.Output, `"\u0000replay"`: &tidied.ReplayToken,
	}
	was := make(map[string]json.RawMessage, len(pieces))
	for mark, piece := range pieces {
		if *piece != nil {
			was[mark], *piece = *piece, json.RawMessage(mark)
		}
	}
	body, err := marshal(&tidied)
	for mark, piece := range was {
		body = bytes.Replace(body, []byte(mark), piece, 1)
	}
	return body, err
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("httpapi: an answer has no JSON form: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// tagOf returns the ETag of a representation: strong, because equal tags mean equal bytes.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}
