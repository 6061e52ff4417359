// Runs inside a namespace: asks each URL named as an argument again and again, and writes one line of JSON for each answer
// that is another than the one before: the URL and the text.
import { setTimeout as pause } from "node:timers/promises"

const before = new Map()

while (true) {
  await Promise.all(
    process.argv.slice(2).map(async (url) => {
      const answer = await fetch(url).catch(() => undefined)
      if (answer?.status !== 200) return
      const text = await answer.text()
      if (before.get(url) === text) return
      before.set(url, text)
      process.stdout.write(`${JSON.stringify({ url, text })}\n`)
    })
  )
  await pause(500)
}
