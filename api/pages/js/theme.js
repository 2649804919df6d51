// Light, dark, or as the system says.

import { speak } from "./toast.js";

const ORDER = ["system", "light", "dark"];

/** The theme chosen here. */
export function theme() {
  const chosen = localStorage.getItem("theme");
  return ORDER.includes(chosen) ? chosen : "system";
}

/** Chooses a theme and keeps it. */
export function chooseTheme(name) {
  if (name === "system") {
    localStorage.removeItem("theme");
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem("theme", name);
    document.documentElement.dataset.theme = name;
  }
  dispatchEvent(new Event("themechange"));
}

/** The other of light and dark than what is seen now. */
export function toggleTheme() {
  chooseTheme(isDark() ? "light" : "dark");
  speak(isDark() ? "Dark theme" : "Light theme");
}

/** Whether the page is dark at the moment. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
