import { remaining } from "./remaining";

// How many characters are left, beside the field.
const field = document.querySelector("[name=text]");
const shown = document.querySelector("[data-remaining]");
if (field && shown) {
  const show = () => (shown.textContent = remaining(field.value));
  field.addEventListener("input", show);
  show();
}
