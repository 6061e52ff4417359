// Runs inside a namespace: accepts TCP connections on the ports named as arguments, over IPv4 and IPv6, and writes one
// line of JSON for each: the port, the address it came from and the address it was for. "ready" when it listens.
import { createServer } from "node:net"

const plain = (address) => address?.replace(/^::ffff:/, "") ?? ""

const listen = (port) =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      const seen = { port, remoteAddress: plain(socket.remoteAddress), localAddress: plain(socket.localAddress) }
      process.stdout.write(`${JSON.stringify(seen)}\n`)
      socket.on("error", () => socket.destroy())
      socket.end("seen\n")
    })
    server.once("error", reject)
    server.listen(port, "::", resolve)
  })

await Promise.all(process.argv.slice(2).map((port) => listen(Number(port))))
process.stdout.write("ready\n")
