// The slider of a comparison: how much of the picture is the one before.
"use strict";

function slide(card) {
  const range = card.querySelector(".compare input[type=range]");
  range.addEventListener("input", () => card.querySelector(".stack").style.setProperty("--cut", `${range.value}%`));
}
