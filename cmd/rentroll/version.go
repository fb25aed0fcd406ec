package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set when a release is built, by -ldflags "-X main.version=1.2.3".
var version string

// programVersion returns the version of a release, or what the build knows of itself.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

type versionCmd struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// Run prints the version.
func (c *versionCmd) Run(std *streams) error {
	v := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
		Commit   string `json:"commit"`
	}{programVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, commit()}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(v)
	}
	text := fmt.Sprintf("rentroll %s (%s, %s", v.Version, v.Go, v.Platform)
	if v.Commit != "" {
		text += ", commit " + v.Commit
	}
	_, err := fmt.Fprintln(std.out, text+")")
	return err
}

// commit returns the source's revision, "" where the build does not know it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
