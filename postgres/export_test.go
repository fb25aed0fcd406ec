package postgres

import (
	"context"
	"maps"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rentroll/rentroll/internal/sqlstore"
)

// Config returns how a store connects, with all that it sets for a connection.
func Config(url string, o Options) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	maps.Copy(config.RuntimeParams, parameters(o))
	return config, nil
}

// Sent is a statement as it goes to the server.
type Sent struct {
	Text   string
	Types  []uint32
	Values [][]byte // in binary
}

// Send returns the first statement that goes to the server for a request: it plays the server and listens.
func Send(r *sqlstore.Request) (out Sent, err error) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	config, err := pgconn.ParseConfig("host=nowhere")
	if err != nil {
		return out, err
	}
	conn, err := pgconn.Construct(&pgconn.HijackedConn{Conn: client, Config: config, TxStatus: 'I'})
	if err != nil {
		return out, err
	}
	s := sender{pipeline: conn.StartPipeline(context.Background()), encoder: new(encoder)}
	s.request(r)
	go func() { _ = s.pipeline.Flush() }() // ends with the pipe
	for backend := pgproto3.NewBackend(server, server); ; {
		message, err := backend.Receive()
		if err != nil {
			return out, err
		}
		switch m := message.(type) {
		case *pgproto3.Parse:
			out.Text, out.Types = m.Query, append([]uint32(nil), m.ParameterOIDs...)
		case *pgproto3.Bind:
			for _, v := range m.Parameters {
				if v != nil {
					v = append([]byte{}, v...)
				}
				out.Values = append(out.Values, v)
			}
			return out, nil
		}
	}
}
