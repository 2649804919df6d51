// The local chat: the same commands as in Telegram, the same notices; any other text is taken in as a signal's message.

import { call, token } from "../api.js";
import { fill, h } from "../dom.js";
import { rendered } from "../markup.js";
import { empty, head, segments, trouble, when } from "../parts.js";
import { isAtLeast } from "../store.js";
import { failed, speak } from "../toast.js";

const CALM_MS = 2500;
const EAGER_MS = 350;
const NEAR_END = 120;

/** The page. */
export function show(page) {
  const talk = new Talk(page);
  const tools = isAtLeast("operator") ? [segments(
    "Room", [["own", "Yours"], ["vip", "VIP group"], ["trial", "Trial group"]], "own", (room) => talk.enter(room)
  )] : [];
  talk.enter("own");
  return [head("Chat", ...tools), talk.element];
}

/** Whether a text that is no command is taken in as a signal. */
function mayPost() {
  return isAtLeast("analyst");
}

class Talk {
  constructor(page) {
    this.page = page;
    this.pictures = [];
    this.sent = [];
    this.recalled = 0;
    this.list = h("ol.messages", { "aria-label": "Messages, newest last" });
    this.older = h(
      "button.button.slim", { type: "button", hidden: true, onclick: () => this.before() }, "Show earlier ones"
    );
    this.notice = h("div");
    this.scroller = h(
      "div.chat-scroll", { tabindex: "0", role: "log", "aria-label": "Conversation" }, this.older, this.list,
      this.notice
    );
    this.input = h(
      "textarea",
      {
        rows: 1, id: "chat-input", maxlength: 4000, placeholder: mayPost() ? "/positions, or paste a signal" : "/positions",
        "aria-label": "Your message", autocomplete: "off", spellcheck: "false",
      }
    );
    this.form = h("form.chat-form", this.input, h("button.button.main", { type: "submit" }, "Send"));
    this.element = h(
      "div.card.flush.chat", this.scroller,
      h("div.chat-hints", ["/status", "/positions", "/signals", "/pnl", "/help"].map((each) => this.hint(each))),
      this.form
    );
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.input.addEventListener("keydown", (event) => this.key(event));
    page.onClose(() => { clearTimeout(this.timer); for (const each of this.pictures) URL.revokeObjectURL(each); });
  }

  hint(command) {
    return h("button.button.slim.mono", { type: "button", onclick: () => this.send(command) }, command);
  }

  enter(room) {
    this.room = room;
    this.last = null;
    this.first = null;
    this.known = new Map();
    this.form.hidden = room !== "own";
    fill(this.list);
    fill(this.notice, h("p.waiting", "Reading the room…"));
    this.turn();
  }

  /** Reads what is new; soon again while an answer is awaited. */
  async turn() {
    clearTimeout(this.timer);
    const room = this.room;
    try {
      const answer = await call(
        "GET", "/api/chat", { query: { room, after: this.last, limit: 50 }, signal: this.page.leaving.signal }
      );
      if (room !== this.room || this.page.closed) return;
      this.take(answer);
      this.again(answer.waiting || answer.next_cursor ? EAGER_MS : CALM_MS);
    } catch (error) {
      if (error.kind === undefined) {
        if (error.name === "AbortError") return;
        throw error;
      }
      fill(this.notice, trouble(error, "The chat", () => this.turn()));
      if (error.kind === "unreachable") this.again(CALM_MS);
    }
  }

  again(ms) {
    if (!this.page.closed) this.timer = setTimeout(() => this.turn(), document.hidden ? CALM_MS * 4 : ms);
  }

  take({ messages, waiting }) {
    const began = this.last === null;
    const atEnd = began || this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_END;
    for (const each of messages) this.list.append(this.message(each));
    if (messages.length) this.last = messages.at(-1).number;
    if (began) {
      this.last ??= 0;
      this.first = messages[0]?.number ?? 0;
      this.older.hidden = this.first <= 1;
    } else if (messages.some((each) => each.author === "service")) {
      speak(messages.filter((each) => each.author === "service").map(
        (each) => rendered(each.text).textContent
      ).join(" "));
    }
    fill(this.notice, waiting ? h("p.waiting", "Answering…") : this.list.childElementCount ? null : this.nothing());
    if (messages.length && atEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  nothing() {
    if (this.room !== "own") return empty(
      "Nothing was posted here yet", "Posts of signals and what became of them appear here."
    );
    return empty("Write the first line",
      mayPost()
        ? "Commands start with a slash. Paste a signal, and it is read and traded as one of yours."
        : "Commands start with a slash.",
      h("button.button", { type: "button", onclick: () => this.send("/help") }, "Show all commands"));
  }

  async before() {
    try {
      const { messages } = await call(
        "GET", "/api/chat", { query: { room: this.room, before: this.first, limit: 50 } }
      );
      const height = this.scroller.scrollHeight;
      this.list.prepend(...messages.map((each) => this.message(each)));
      this.first = messages[0]?.number ?? 0;
      this.older.hidden = this.first <= 1;
      this.scroller.scrollTop += this.scroller.scrollHeight - height;
    } catch (error) {
      failed(error, "Earlier messages");
    }
  }

  message(each) {
    this.known.set(each.number, each);
    const mine = each.author === "you";
    const body = each.markup ? rendered(each.text) : h("div.markup", { dir: "auto" }, each.text);
    const answered = !mine && each.reply_to ? this.known.get(each.reply_to) : null;
    return h("li.message-row", { class: mine ? "mine" : null, "data-number": each.number }, h("div.bubble",
      h("span.unseen", mine ? "You: " : "Service: "),
      answered && answered.author !== "you" ? h(
        "p.quiet.small.reply", `re ${rendered(answered.text).textContent.slice(0, 60)}`
      ) : null,
      body, each.picture ? this.picture(each) : null,
      each.signal_id?.startsWith("sig-") ? h("p", h("a", { href: `#/signals/${each.signal_id}` }, "Open the signal")) : null,
      each.buttons.length ? h("div.form-actions", each.buttons.flat().map((button) => this.button(button))) : null,
      h("p.quiet.small.bubble-foot", when(each.at))));
  }

  button({ label, command }) {
    return h("button.button.slim", {
      type: "button", onclick: (event) => {
        for (const each of event.currentTarget.parentElement.children) each.disabled = true;
        this.send(command);
      },
    }, label);
  }

  /** The picture is fetched with the sign-in, since an image's own request would carry none. */
  picture(each) {
    const image = h("img.chat-picture", { alt: "Chart of the signal", loading: "lazy" });
    const read = async () => {
      const response = await fetch(
        `/api/chat/pictures/${this.room}/${each.number}`, { headers: { Authorization: `Bearer ${token()}` } }
      );
      if (!response.ok || this.page.closed) return image.remove();
      const address = URL.createObjectURL(await response.blob());
      this.pictures.push(address);
      image.addEventListener(
        "load",
        () => this.room && this.list.lastElementChild?.contains(image) && (
          this.scroller.scrollTop = this.scroller.scrollHeight
        ),
        { once: true }
      );
      image.src = address;
    };
    read().catch(() => image.remove());
    return image;
  }

  async send(command = null) {
    const text = (command ?? this.input.value).trim();
    if (!text) return;
    try {
      await call("POST", "/api/chat", { body: { text } });
      if (command === null) {
        this.sent.push(text);
        this.recalled = this.sent.length;
        this.input.value = "";
      }
      this.turn();
    } catch (error) {
      failed(error, "Not sent");
    }
  }

  /** Enter sends, Shift+Enter begins a line, the arrow up brings back what was sent. */
  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.send();
    } else if (
      event.key === "ArrowUp"
        && !this.input.value.includes("\n")
        && this.recalled > 0
        && (this.input.value === "" || this.input.value === this.sent[this.recalled])
    ) {
      event.preventDefault();
      this.input.value = this.sent[--this.recalled];
    }
  }
}
