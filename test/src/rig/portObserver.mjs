// Runs inside a namespace: connects to each HOST:PORT named as an argument ten times a second, and writes one line of JSON
// whenever one has begun or ceased to take connections: which, since when (milliseconds since 1970), and whether it does. One
// that does not is refused at once; that an answer takes a while may be this machine's doing.
import { connect } from "node:net"
import { setTimeout as pause } from "node:timers/promises"

const takes = (place) =>
  new Promise((resolve) => {
    const at = place.lastIndexOf(":")
    const socket = connect({ host: place.slice(0, at), port: Number(place.slice(at + 1)), timeout: 20_000 })
    const end = (open) => {
      socket.destroy()
      resolve(open)
    }
    socket.once("connect", () => end(true)).once("timeout", () => end(false)).once("error", () => end(false))
  })

await Promise.all(
  process.argv.slice(2).map(async (place) => {
    let before
    while (true) {
      const at = Date.now()
      const open = await takes(place)
      if (open !== before) process.stdout.write(`${JSON.stringify({ place, at, open })}\n`)
      before = open
      await pause(100)
    }
  })
)
