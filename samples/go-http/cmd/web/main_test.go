package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"example.com/go-http/internal/links"
)

func ask(t *testing.T, handler http.Handler, method, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAShortenedAddressLeadsThere(t *testing.T) {
	app := routes(&links.Store{})

	made := ask(t, app, "POST", "/links", url.Values{"name": {"go"}, "url": {"https://go.dev"}})
	led := ask(t, app, "GET", "/go", nil)

	if made.Code != http.StatusCreated || led.Code != http.StatusFound || led.Header().Get("Location") != "https://go.dev" {
		t.Fatalf("%d %s, then %d to %q", made.Code, made.Body, led.Code, led.Header().Get("Location"))
	}
}

func TestAnUnknownNameIsNotFound(t *testing.T) {
	if answer := ask(t, routes(&links.Store{}), "GET", "/nowhere", nil); answer.Code != http.StatusNotFound {
		t.Fatal(answer.Code)
	}
}
