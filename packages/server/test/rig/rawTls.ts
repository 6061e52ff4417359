import { Effect } from "effect"
import { connect } from "node:tls"

/** A TLS connection that says what a test wants, in bytes. */
export interface RawTls {
  /** Each character is one byte. */
  readonly write: (text: string) => void
  /** What came so far. */
  readonly text: () => string
  readonly closed: () => boolean
  /** Settles when it is closed. */
  readonly ended: Promise<void>
  /** Says that nothing more comes, and goes on reading. */
  readonly end: () => void
  /** Reads no more, so that the other side's buffers fill. */
  readonly stopReading: () => void
  readonly close: () => void
}

/** Opens one, and closes it with the scope. */
export const rawTls = (input: { readonly port: number; readonly ca: string }) =>
  Effect.acquireRelease(
    Effect.callback<RawTls, Error>((resume) => {
      let text = ""
      let closed = false
      const socket = connect({ host: "127.0.0.1", port: input.port, ca: input.ca }, () =>
        resume(Effect.succeed({
          write: (bytes) => {
            if (!closed) socket.write(bytes, "latin1")
          },
          text: () => text,
          closed: () => closed,
          ended,
          end: () => {
            socket.end()
          },
          stopReading: () => {
            socket.pause()
          },
          close: () => {
            socket.destroy()
          }
        })))
      socket.on("data", (chunk) => {
        text += String(chunk)
      })
      const ended = new Promise<void>((resolve) => {
        socket.on("close", () => {
          closed = true
          resolve()
        })
      })
      socket.on("error", (error) => resume(Effect.fail(error)))
    }),
    ({ close }) => Effect.sync(close)
  )
