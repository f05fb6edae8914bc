import { makeApp } from "./app.js";

const port = Number(process.env.PORT ?? 8080);
const server = makeApp().listen(port, () => console.log(`listening on port ${port}`));

// What is being answered is finished first.
process.on("SIGTERM", () => {
  console.log("stopping");
  server.close();
});
