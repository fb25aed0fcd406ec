package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// pieces writes an answer of any length. A caller who does not read gets as long for every piece as for a whole request
// elsewhere.
type pieces struct {
	server  *server
	w       http.ResponseWriter
	headers func(http.Header) // sets those of a good answer
	begun   bool
	cut     *time.Timer // ends the connection of a caller who has stopped reading
}

// Write sends a piece.
func (p *pieces) Write(b []byte) (int, error) {
	if !p.begun {
		p.begin()
	}
	p.cut.Reset(p.server.opts.Timeout)
	defer p.cut.Stop()
	return p.w.Write(b)
}

func (p *pieces) begin() {
	p.begun = true
	p.headers(p.w.Header())
	p.w.WriteHeader(http.StatusOK)
}

// send has all of the answer written. An error comes back only where nothing was sent yet; later on the answer is cut off,
// so that nobody takes it for whole. ctx has no end but that of the connection.
func (p *pieces) send(ctx context.Context, r *http.Request, all func() error) error {
	if r.Method == http.MethodHead {
		p.begin()
		return nil
	}
	p.cut = time.AfterFunc(p.server.opts.Timeout, func() {
		_ = http.NewResponseController(p.w).SetWriteDeadline(time.Unix(1, 0)) // where it can't, the connection's own holds
	})
	p.cut.Stop()
	err := all()
	if err == nil || !p.begun {
		return err
	}
	if !errors.Is(err, context.Canceled) {
		p.server.opts.Logger.LogAttrs(ctx, slog.LevelError, "an export was cut off",
			slog.String("request_id", exchangeOf(r.Context()).id), slog.String("error", err.Error()))
	}
	panic(http.ErrAbortHandler)
}
