package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// The scripts ask the program itself, so that they know every command and flag of the version that is installed.
var completionScripts = map[string]string{
	"bash": `_rentroll() {
    local IFS=$'\n'
    COMPREPLY=($(rentroll __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _rentroll rentroll
`,
	"zsh": `#compdef rentroll
_rentroll() {
    local -a found
    found=("${(@f)$(rentroll __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -- ${found:#}
}
if [ "$funcstack[1]" = "_rentroll" ]; then _rentroll "$@"; else compdef _rentroll rentroll; fi
`,
	"fish": `complete -c rentroll -f -a '(rentroll __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

// Run prints the script.
func (c *completionCmd) Run(std *streams) error {
	_, err := fmt.Fprint(std.out, completionScripts[c.Shell])
	return err
}

// completeCmd is what the scripts call: it gets the words so far, the last of which is not finished.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what the last word may become, a line each.
func (c *completeCmd) Run(k *kong.Kong, std *streams) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, candidate := range candidates(k.Model.Node, words) {
		if _, err := fmt.Fprintln(std.out, candidate); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns what the last of the words may become.
func candidates(root *kong.Node, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	at, open, place := walk(root, words[:len(words)-1])
	var all []string
	name, _, assigned := strings.Cut(last, "=")
	switch {
	case open != nil:
		all = values(open.Value, "")
	case assigned && strings.HasPrefix(last, "--"):
		if f := flagOf(at, name); f != nil {
			all = values(f.Value, name+"=")
		}
	case strings.HasPrefix(last, "-"):
		for _, group := range at.AllFlags(true) {
			for _, f := range group {
				all = append(all, "--"+f.Name)
			}
		}
	case place < len(at.Positional):
		all = values(at.Positional[place], "")
	default:
		for _, child := range at.Children {
			if !child.Hidden {
				all = append(all, child.Name)
			}
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, last) })
	slices.Sort(all)
	return slices.Compact(all)
}

// walk follows finished words to the command that they name, the flag that waits for its value, and the number of
// arguments that are there already.
func walk(at *kong.Node, words []string) (node *kong.Node, open *kong.Flag, place int) {
	for _, word := range words {
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(word, "-"):
			if f := flagOf(at, word); f != nil && !f.IsBool() {
				open = f
			}
		default:
			child := childOf(at, word)
			if child == nil {
				place++
				continue
			}
			at, place = child, 0
		}
	}
	return at, open, place
}

func childOf(n *kong.Node, name string) *kong.Node {
	for _, child := range n.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// flagOf finds a flag as it is written; one with its value behind "=" is not found.
func flagOf(n *kong.Node, word string) *kong.Flag {
	for _, group := range n.AllFlags(false) {
		for _, f := range group {
			if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// values are what a flag or an argument may be, where that is a short list.
func values(v *kong.Value, prefix string) []string {
	var out []string
	for _, value := range v.EnumSlice() {
		if value != "" {
			out = append(out, prefix+value)
		}
	}
	return out
}
