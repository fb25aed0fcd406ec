package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/rentroll/rentroll"
)

// tagList is the value of If-Match or If-None-Match (RFC 9110, section 13.1); nil where the header is not there.
type tagList []string

// anyTag, alone in a list, stands for every object that exists.
const anyTag = "*"

// tagsIn reads a header that lists tags.
func tagsIn(h http.Header, name string) (tagList, error) {
	values := h.Values(name)
	if len(values) == 0 {
		return nil, nil
	}
	bad := malformed(name + " must be entity tags in double quotes, or *")
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == anyTag {
		return tagList{anyTag}, nil
	}
	var tags tagList
	for {
		tag, after, ok := cutTag(rest)
		if !ok {
			return nil, bad
		}
		tags = append(tags, tag)
		if after == "" {
			return tags, nil
		}
		if rest, ok = strings.CutPrefix(after, ","); !ok {
			return nil, bad
		}
		rest = strings.TrimLeft(rest, " \t")
	}
}

// cutTag takes one tag off the front of a list.
func cutTag(s string) (tag, rest string, ok bool) {
	opaque, weak := strings.CutPrefix(s, "W/")
	if !strings.HasPrefix(opaque, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(opaque[1:], '"')
	if end < 0 {
		return "", "", false
	}
	tag = opaque[:end+2]
	if strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", "", false
	}
	if weak {
		tag = "W/" + tag
	}
	return tag, strings.TrimLeft(opaque[end+2:], " \t"), true
}

// matches compares strongly, as writes must: a weak tag matches nothing.
func (l tagList) matches(tag string) bool {
	return slices.Contains(l, anyTag) || slices.Contains(l, tag)
}

// matchesWeakly compares as reads may.
func (l tagList) matchesWeakly(tag string) bool {
	return slices.ContainsFunc(l, func(t string) bool { return t == anyTag || strings.TrimPrefix(t, "W/") == tag })
}

// conditions are what a caller says about the object that it means to read or change.
type conditions struct {
	match, noneMatch tagList
}

func conditionsOf(h http.Header) (conditions, error) {
	match, err := tagsIn(h, "If-Match")
	if err != nil {
		return conditions{}, err
	}
	noneMatch, err := tagsIn(h, "If-None-Match")
	return conditions{match, noneMatch}, err
}

// given reports whether there are conditions on a change.
func (c conditions) given() bool { return c.match != nil || c.noneMatch != nil }

// holds reports whether an object may be changed as it is; nil is one that does not exist.
func (c conditions) holds(object any) bool {
	if object == nil {
		return c.match == nil
	}
	if version := versionOf(object); version != nil {
		object = version
	}
	body, err := encode(object)
	if err != nil {
		return false
	}
	tag := tagOf(body)
	return (c.match == nil || c.match.matches(tag)) && !c.noneMatch.matchesWeakly(tag)
}

// versionOf is what the ETag of an object stands for, where that is not all of an answer with it; nil where it is.
func versionOf(object any) any {
	switch o := object.(type) {
	case *rentroll.Run: // its payloads, which its changes have not at hand, change only with other fields
		return listedRun{Run: o}
	case *admission:
		if o.run != nil {
			return versionOf(o.run)
		}
	case *rentroll.APIKey: // without its statistics, which change with each use, and would leave no condition to hold
		set := *o
		set.LastUsedAt, set.TotalRequests = nil, 0
		return &set
	case *rentroll.SubjectStanding: // likewise
		return subjectSettings{o.Subject, o.Limits, o.Reason, o.CreatedAt}
	}
	return nil
}

// tagOfAnswer returns the ETag of the object that an answer is about.
func tagOfAnswer(c *call, answer any, body []byte) (tag string, err error) {
	object := answer
	if c.object != nil {
		object = c.object
	}
	version := versionOf(object)
	if version == nil {
		version = c.object
	}
	if version != nil {
		body, err = encode(version)
	}
	return tagOf(body), err
}
