import { Effect, Option, Schema } from "effect"
import { fileURLToPath } from "node:url"
import type { Namespace } from "./Namespace.ts"
import { nodeBinary } from "./Repository.ts"

const Turn = Schema.Struct({ place: Schema.String, at: Schema.Int, open: Schema.Boolean })

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(Turn))

/** A time in which a port took no connection, in milliseconds since 1970; `until` is infinite while it lasts. */
export interface Absence {
  readonly place: string
  readonly from: number
  readonly until: number
}

/** Sees from elsewhere when ports take connections, ten times a second. */
export interface PortObserver {
  /** Since the observer began, oldest first. */
  readonly absences: Effect.Effect<ReadonlyArray<Absence>>
}

export const PortObserver = {
  /** `places` are `HOST:PORT`. */
  make: Effect.fnUntraced(function*(namespace: Namespace, places: ReadonlyArray<string>) {
    const script = fileURLToPath(new URL("./portObserver.mjs", import.meta.url))
    const process = yield* namespace.start([nodeBinary, script, ...places])
    const observer: PortObserver = {
      absences: Effect.map(process.lines, (lines) => {
        const turns = lines.flatMap((line) => Option.toArray(decodeLine(line)))
        return turns.flatMap(({ at, open, place }, index) => {
          if (open) return []
          const back = turns.slice(index).find((turn) => turn.place === place && turn.open)
          return [{ place, from: at, until: back?.at ?? Infinity }]
        })
      })
    }
    return observer
  })
}
