package main

import "log/slog"

// logFlags say what the server logs, to standard error.
type logFlags struct {
	LogLevel  slog.Level `default:"info" placeholder:"LEVEL" help:"Log this and worse: debug, info, warn or error."`
	LogFormat string     `default:"auto" enum:"auto,text,json" help:"text, json, or auto: text on a terminal, JSON else."`
}

// logger makes the logger that the flags describe.
func (f *logFlags) logger(std *streams) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.LogLevel, ReplaceAttr: readable}
	if f.LogFormat == "text" || f.LogFormat == "auto" && std.errTTY {
		return slog.New(slog.NewTextHandler(std.err, options))
	}
	return slog.New(slog.NewJSONHandler(std.err, options))
}

// readable writes spans of time with their unit, in JSON too.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
