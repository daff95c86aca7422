// The console: joins its parts to what the server says.

import { compare } from "./compare.js";
import { detail } from "./detail.js";
import { say } from "./dom.js";
import { modelList } from "./models.js";
import { announceSwaps } from "./notices.js";
import { Place } from "./place.js";
import { Store } from "./store.js";
import { summary } from "./summary.js";

const byId = (id) => document.getElementById(id);
const store = new Store();
const place = new Place();

document.querySelector("[data-skip]").addEventListener("click", (event) => {
  // The hash says which model is shown.
  event.preventDefault();
  byId("main").focus();
});
summary(byId("summary"), store);
modelList(byId("models"), store, place);
compare(byId("all"), store);
detail(place, byId("detail"), store);
announceSwaps(store);
store.follow(({ link }) => {
  byId("link").dataset.state = link.state;
  say(byId("link-text"), link.text);
});
place.follow(() => store.soon());
store.start();
