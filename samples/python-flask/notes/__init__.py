"""A board of notes: routes here, the database in `store`."""

from __future__ import annotations

from flask import Flask, abort, jsonify, redirect, render_template, request

from notes.store import Store

LONGEST = 200


def create_app(store: Store | None = None) -> Flask:
    """The app; tests bring a store of their own."""
    app = Flask(__name__)
    notes = store or Store.from_environment()

    @app.get("/health")
    def health():
        return jsonify(status="ok" if notes.answers() else "no database")

    @app.get("/")
    def index():
        return render_template("index.html", notes=notes.newest())

    @app.post("/notes")
    def add():
        text = request.form.get("text", "").strip()
        if not text or len(text) > LONGEST:
            abort(422, f"A note has 1 to {LONGEST} characters.")
        notes.add(text)
        return redirect("/", 303)

    @app.get("/api/notes")
    def listing():
        return jsonify([{"id": note.id, "text": note.text} for note in notes.newest()])

    return app
