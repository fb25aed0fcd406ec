package main

import "log/slog"

// logFlags say what the server logs, to standard error.
type logFlags struct {
	LogLevel  slog.Level `default:"info" placeholder:"LEVEL" help:"Log this and worse: debug, info, warn or error."`
	LogFormat string     `default:"auto" enum:"auto,text,json" help:"text, json, or auto: text on a terminal, JSON else."`
}

// silent is above every level.
const silent = slog.Level(100)

// logger makes the logger that the flags describe. Its level can be changed.
func (f *logFlags) logger(std *streams) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(f.LogLevel)
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if f.LogFormat == "text" || f.LogFormat == "auto" && std.errTTY {
		return slog.New(slog.NewTextHandler(std.err, options)), level
	}
	return slog.New(slog.NewJSONHandler(std.err, options)), level
}

// readable writes spans of time with their unit, in JSON too.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
