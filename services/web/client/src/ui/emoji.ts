/** The emoji that one can pick; any other can be typed. */

export const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "😢"];

export const GROUPS: readonly string[] = [
  "😀 😃 😄 😁 😅 😂 🤣 😊 😇 🙂 😉 😍 🥰 😘 😋 😜 🤪 🤗 🤭 🤔 🤨 😐 😏 🙄 😬 😌 😴 🤤 😷 🤒 🥵 🥶 🥳 😎 🤓 🧐 😕 😟 😮 😲 🥺 😢 😭 😱 😤 😡 🤬 💀 🤡 👻 👽 🤖",
  "👍 👎 👌 🤌 ✌️ 🤞 🤟 🤙 👈 👉 👆 👇 ✋ 👋 👏 🙌 🙏 🤝 💪 ✍️ 👀 🧠 🫶 ❤️ 🧡 💛 💚 💙 💜 🖤 🤍 💔 💯 🔥 ✨ ⭐ 💥 💫 💤 🎉 🎊 🎁 🏆 🥇 ✅ ❌ ❓ ❗",
  "🐶 🐱 🐭 🐰 🦊 🐻 🐼 🐯 🦁 🐸 🐵 🐔 🐧 🦄 🐝 🦋 🐢 🐙 🐬 🐳 🌱 🌲 🌴 🌵 🍀 🌸 🌹 🌻 🌞 🌙 ☁️ 🌧️ ❄️ 🌈 🌊",
  "🍏 🍎 🍐 🍊 🍋 🍌 🍉 🍇 🍓 🍒 🥑 🍅 🌽 🥐 🍞 🧀 🍕 🍔 🌮 🍣 🍪 🍩 🍰 🍫 🍿 ☕ 🍵 🧉 🍺 🍷 🥂",
  "⚽ 🏀 🎾 🏐 🎱 🏓 🎮 🎲 🎸 🎹 🎧 🎬 🎨 🚗 🚌 🚲 ✈️ 🚀 ⛵ 🏠 🏖️ ⛰️ 🗺️ 💻 📱 📷 💡 🔒 🔑 📌 📎 ✏️ 📅 📈 💰 🛒 📦 🧾 🎫 ⏰",
];

export function emojiOf(group: string): string[] {
  return group.split(" ");
}
