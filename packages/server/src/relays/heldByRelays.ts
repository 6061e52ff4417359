import { Effect, Option, Schema } from "effect"
import { SqlClient, SqlSchema } from "effect/sql"
import { randomBytes } from "node:crypto"
import { type Left, leftBy } from "../allocate/Left.ts"
import { settingRows } from "../settings/settingRows.ts"
import { Whole } from "../store/Column.ts"

/** What relays have, which nobody else may be given. */
export interface HeldByRelays {
  readonly names: ReadonlySet<string>
  readonly addresses: ReadonlySet<string>
  /** What none of them has. */
  readonly left: Left
}

const HeldRow = Schema.Struct({ name: Schema.String, ip_v4: Schema.String, ip_v6: Schema.NullOr(Schema.String) })

/** Where the mark is that changes with the names and addresses of relays. */
const MARK = "relays_mark"

const addressesOf = ({ ip_v4, ip_v6 }: Omit<typeof HeldRow.Type, "name">): ReadonlyArray<string> =>
  ip_v6 === null ? [ip_v4] : [ip_v4, ip_v6]

/** What was read at a mark, and was added since. Nothing is taken out of it. */
class Known implements HeldByRelays {
  mark: string
  readonly names = new Set<string>()
  readonly addresses = new Set<string>()
  readonly left = leftBy(this)

  constructor(mark: string, relays: ReadonlyArray<typeof HeldRow.Type>) {
    this.mark = mark
    this.add(relays)
  }

  add(relays: ReadonlyArray<typeof HeldRow.Type>): void {
    for (const relay of relays) {
      this.names.add(relay.name)
      for (const address of addressesOf(relay)) this.addresses.add(address)
    }
  }
}

/**
 * The names and addresses of all relays, kept in memory: an allocation for one node among thousands would else read those of
 * all. A mark in the database, another one with each change, says whether they still are those; a transaction that was
 * taken back takes back its mark.
 */
export const heldByRelays = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const marks = yield* settingRows(Schema.String)
  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: HeldRow,
    execute: () => sql`SELECT name, ip_v4, ip_v6 FROM relays`
  })
  const counted = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ relays: Whole }),
    execute: () => sql`SELECT COUNT(*) AS relays FROM relays`
  })
  let known: Known | undefined

  const markNow = Effect.map(
    marks.read(MARK),
    Option.match({ onNone: () => "", onSome: ({ value }) => value })
  )

  /** Whether they are known as they are now. A server of before there were marks may have added some. */
  const isNow = Effect.fnUntraced(function*(mark: string) {
    if (known?.mark !== mark) return false
    const { relays } = yield* Effect.catchTag(counted(), "NoSuchElementError", Effect.die)
    return known.names.size === relays
  })

  /** In the transaction that has the turn of allocations, or it may change meanwhile. */
  const held = Effect.gen(function*() {
    const mark = yield* markNow
    if (known !== undefined && (yield* isNow(mark))) return known
    const rows = yield* all()
    known = new Known(mark, rows)
    return known
  })

  /** With each change of names and addresses: those that were added, where nothing else was changed. */
  const changed = Effect.fnUntraced(function*(added: ReadonlyArray<typeof HeldRow.Type> | "others") {
    const before = yield* markNow
    const mark = randomBytes(12).toString("hex")
    yield* marks.write(MARK, mark)
    if (added === "others" || known?.mark !== before) return
    known.add(added)
    known.mark = mark
  })

  return { held, changed }
})
