import { atom } from "nanostores";

import { shown } from "./clock.js";

const tenths = atom(0);
const time = document.querySelector("#time");
const toggle = document.querySelector("#toggle");
let timer;

tenths.subscribe((value) => (time.textContent = shown(value)));

toggle.addEventListener("click", () => {
  if (timer) {
    timer = clearInterval(timer);
  } else {
    timer = setInterval(() => tenths.set(tenths.get() + 1), 100);
  }
  toggle.textContent = timer ? "Stop" : "Start";
});

document.querySelector("#reset").addEventListener("click", () => tenths.set(0));
