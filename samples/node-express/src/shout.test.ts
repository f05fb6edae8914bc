import assert from "node:assert/strict";
import { test } from "node:test";

import { shout } from "./shout.js";

test("a text is made loud", () => {
  assert.equal(shout("hello", 3), "HELLO!!!");
});

test("nothing is louder than ten", () => {
  assert.throws(() => shout("hello", 11), RangeError);
});
