// Command web answers for short links: GET /links, POST /links, and GET /{name}, which leads on.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"example.com/go-http/internal/links"
)

//go:embed index.html
var pages embed.FS

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: ":" + port, Handler: routes(&links.Store{}), ReadHeaderTimeout: 5 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		// Requests that are being answered are finished.
		deadline, done := context.WithTimeout(context.Background(), 20*time.Second)
		defer done()
		server.Shutdown(deadline)
	}()
	slog.Info("listening", "port", port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("cannot listen", "error", err)
		os.Exit(1)
	}
	slog.Info("stopped")
}

func routes(store *links.Store) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer, logged)
	router.Get("/", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, pages, "index.html")
	})
	router.Get("/health", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	router.Get("/links", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, store.All())
	})
	router.Post("/links", func(w http.ResponseWriter, r *http.Request) {
		link, err := store.Add(r.PostFormValue("name"), r.PostFormValue("url"))
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusCreated, link)
	})
	router.Get("/{name}", func(w http.ResponseWriter, r *http.Request) {
		link, found := store.Follow(chi.URLParam(r, "name"))
		if !found {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, link.URL, http.StatusFound)
	})
	return router
}

func logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(watched, r)
		slog.Info(fmt.Sprintf("%s %s", r.Method, r.URL.Path), "status", watched.Status())
	})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
