import assert from "node:assert/strict";
import { test } from "node:test";

import { shown } from "./clock.js";

test("tenths become minutes, seconds and tenths", () => {
  assert.equal(shown(0), "00:00.0");
  assert.equal(shown(754), "01:15.4");
});
