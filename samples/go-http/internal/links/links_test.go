package links

import (
	"errors"
	"testing"
)

func TestALinkIsFollowedAndCounted(t *testing.T) {
	var store Store
	if _, err := store.Add("docs", "https://go.dev/doc"); err != nil {
		t.Fatal(err)
	}

	store.Follow("docs")
	link, found := store.Follow("docs")

	if !found || link.Hits != 2 || link.URL != "https://go.dev/doc" {
		t.Fatalf("found %v: %+v", found, link)
	}
}

func TestWhatIsNoLinkIsRefused(t *testing.T) {
	store := Store{}
	if _, err := store.Add("taken", "https://go.dev"); err != nil {
		t.Fatal(err)
	}

	for _, each := range []struct {
		name, url string
		want      error
	}{
		{"a b", "https://go.dev", ErrName},
		{"", "https://go.dev", ErrName},
		{"x", "javascript:alert(1)", ErrURL},
		{"x", "https://", ErrURL},
		{"taken", "https://go.dev", ErrTaken},
	} {
		if _, err := store.Add(each.name, each.url); !errors.Is(err, each.want) {
			t.Errorf("%q → %q: %v, want %v", each.name, each.url, err, each.want)
		}
	}
}
