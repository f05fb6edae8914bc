// Package links keeps short names for long addresses, in memory.
package links

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"sync"
)

// Link is an address under a short name, and how often it was followed.
type Link struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	Hits int    `json:"hits"`
}

var (
	ErrName  = errors.New("a name has 1 to 32 small letters, digits and dashes")
	ErrURL   = errors.New("an address begins with http:// or https://")
	ErrTaken = errors.New("the name is taken")
)

var name = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Store holds links. Its zero value is empty and ready to use.
type Store struct {
	mutex sync.Mutex
	links map[string]*Link
}

// Add stores an address under a name that nothing has yet.
func (s *Store) Add(short, address string) (Link, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return Link{}, ErrURL
	}
	if !name.MatchString(short) {
		return Link{}, ErrName
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.links[short] != nil {
		return Link{}, ErrTaken
	}
	if s.links == nil {
		s.links = map[string]*Link{}
	}
	s.links[short] = &Link{Name: short, URL: address}
	return *s.links[short], nil
}

// Follow counts a visit and returns the link, if there is one.
func (s *Store) Follow(short string) (Link, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	link := s.links[short]
	if link == nil {
		return Link{}, false
	}
	link.Hits++
	return *link, true
}

// All returns every link, the most visited first.
func (s *Store) All() []Link {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := make([]Link, 0, len(s.links))
	for _, link := range s.links {
		all = append(all, *link)
	}
	slices.SortFunc(all, func(a, b Link) int {
		if a.Hits != b.Hits {
			return b.Hits - a.Hits
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}
