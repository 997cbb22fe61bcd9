"use strict";
const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  const picture = document.querySelector(`[data-player="${player.id}"]`);
  const playhead = picture.querySelector(".playhead");
  const seconds = Number(picture.dataset.seconds);
  const follow = () => {
    playhead.style.left = `${(100 * player.currentTime) / seconds}%`;
    if (!player.paused) requestAnimationFrame(follow);
  };
  player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
    playhead.style.display = "block";
    follow();
  });
  player.addEventListener("seeked", follow);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect();
    player.currentTime = (seconds * (event.clientX - box.left)) / box.width;
    player.play();
  });
}
for (const button of document.querySelectorAll("a.listen")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    const player = document.getElementById(button.dataset.plays);
    if (player.paused) player.play();
    else player.pause();
  });
  const player = document.getElementById(button.dataset.plays);
  const say = () => { button.firstElementChild.textContent = player.paused ? "Play" : "Pause"; };
  player.addEventListener("play", say);
  player.addEventListener("pause", say);
}
