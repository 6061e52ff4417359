import { Schema, SchemaTransformation } from "effect"

/** Where a program listens, as people write it: `127.0.0.1:9820`, `[::1]:9820`, `localhost:9820`. Port 0 is any free one. */
export const ListenAddress = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?:\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, {
      message: "expected HOST:PORT, such as 127.0.0.1:9820 or [::1]:9820"
    })
  ),
  Schema.decodeTo(
    Schema.Struct({
      host: Schema.String,
      port: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 65_535 })))
    }),
    SchemaTransformation.transform({
      decode: (text) => {
        const at = text.lastIndexOf(":")
        return { host: text.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(text.slice(at + 1)) }
      },
      encode: ({ host, port }) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`)
    })
  )
)
export type ListenAddress = typeof ListenAddress.Type
