import express, { type Express } from "express";

import { shout } from "./shout.js";

/** The routes, without a port, so that tests can have them. */
export function makeApp(): Express {
  const app = express();
  const heard: string[] = [];
  app.disable("x-powered-by");
  app.use(express.urlencoded({ extended: false }));

  app.get("/health", (_request, response) => {
    response.json({ status: "ok", node: process.version, environment: process.env.NODE_ENV });
  });

  app.get("/", (_request, response) => {
    response.type("html").send(`<!doctype html><title>Shouts</title><h1>Shouts</h1><p>${heard.length} so far</p>`);
  });

  app.post("/shouts", (request, response) => {
    const text = String(request.body?.text ?? "").trim();
    if (!text) {
      response.status(422).json({ error: "there is nothing to shout" });
      return;
    }
    try {
      heard.push(shout(text, Number(request.body.loudness ?? 1)));
    } catch (error) {
      response.status(422).json({ error: (error as Error).message });
      return;
    }
    response.status(201).json({ shout: heard.at(-1) });
  });

  return app;
}
