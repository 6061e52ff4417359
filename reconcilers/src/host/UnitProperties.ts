import { Effect, Schema } from "effect"
import { BusFailed, type SystemBus } from "./SystemBus.ts"

/** A D-Bus variant as dbus-next gives it. */
const variantOf = <S extends Schema.Constraint>(value: S) => Schema.Tuple([Schema.Struct({ value })])

const decodeText = Schema.decodeUnknownEffect(variantOf(Schema.String))
const decodeTexts = Schema.decodeUnknownEffect(variantOf(Schema.Array(Schema.String)))
const decodeNumber = Schema.decodeUnknownEffect(variantOf(Schema.Union([Schema.Int, Schema.BigInt])))
const decodeTruth = Schema.decodeUnknownEffect(variantOf(Schema.Boolean))

type Bus = SystemBus["Service"]
type UnitInterface = "Unit" | "Service"

const property = (bus: Bus, path: string, kind: UnitInterface, name: string) =>
  bus.call({
    path,
    interface: "org.freedesktop.DBus.Properties",
    member: "Get",
    signature: "ss",
    body: [`org.freedesktop.systemd1.${kind}`, name]
  })

const notUnderstood = (name: string) => (error: Schema.SchemaError): BusFailed =>
  new BusFailed({ name: null, message: `systemd's property ${name} is not what it should be: ${error.message}` })

/** A text property of a unit, by the unit's object path. */
export const textProperty = Effect.fnUntraced(
  function*(bus: Bus, path: string, kind: UnitInterface, name: string) {
    const body = yield* property(bus, path, kind, name)
    const [{ value }] = yield* Effect.mapError(decodeText(body), notUnderstood(name))
    return value
  }
)

/** A list of texts, such as paths. */
export const textsProperty = Effect.fnUntraced(
  function*(bus: Bus, path: string, kind: UnitInterface, name: string) {
    const body = yield* property(bus, path, kind, name)
    const [{ value }] = yield* Effect.mapError(decodeTexts(body), notUnderstood(name))
    return value
  }
)

/** A number of a unit; times are microseconds since 1970. */
export const numberProperty = Effect.fnUntraced(
  function*(bus: Bus, path: string, kind: UnitInterface, name: string) {
    const body = yield* property(bus, path, kind, name)
    const [{ value }] = yield* Effect.mapError(decodeNumber(body), notUnderstood(name))
    return Number(value)
  }
)

/** A yes or no of a unit. */
export const truthProperty = Effect.fnUntraced(
  function*(bus: Bus, path: string, kind: UnitInterface, name: string) {
    const body = yield* property(bus, path, kind, name)
    const [{ value }] = yield* Effect.mapError(decodeTruth(body), notUnderstood(name))
    return value
  }
)
