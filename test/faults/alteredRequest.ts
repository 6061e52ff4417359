import { Schema } from "effect"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/** How one field of a request is altered. Places are modulo the length of what is altered. */
export const Alteration = Schema.Struct({
  how: Schema.Literals(["byte", "cut", "grow", "splice", "drop", "type", "text", "exchange"]),
  at: between(0, 9999),
  value: between(1, 255)
})

/** One alteration of a request for a challenge, or of a proof. */
export const Mutation = Schema.Struct({
  field: Schema.Literals(["ek_public", "ak_public", "ak_name", "challenge", "mac"]),
  ...Alteration.fields
})

type Fields = Readonly<Record<string, string>>

/** The altered body as text; undefined where a field is meant that there is not. */
export const alter = (
  fields: Fields,
  { field, how, at, value }: typeof Alteration.Type & { readonly field: string }
): string | undefined => {
  const text = fields[field]
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, "hex")
  const place = at % bytes.length
  const other = Buffer.from(bytes)
  const hex = (...parts: ReadonlyArray<Uint8Array>) =>
    JSON.stringify({ ...fields, [field]: Buffer.concat(parts).toString("hex") })
  switch (how) {
    case "byte":
      other.writeUInt8(other.readUInt8(place) ^ value, place)
      return hex(other)
    case "cut":
      return hex(bytes.subarray(0, place))
    case "grow":
      return hex(bytes, Buffer.alloc(1 + at % 40, value))
    case "splice":
      return hex(bytes.subarray(0, place), Buffer.from([value]), bytes.subarray(place))
    case "drop":
      return JSON.stringify({ ...fields, [field]: undefined })
    case "type":
      return JSON.stringify({ ...fields, [field]: [null, at, [text], { hex: text }, true, `${text}g`, ""][at % 7] })
    case "text": {
      const whole = JSON.stringify(fields)
      return whole.slice(0, at % whole.length)
    }
    case "exchange": {
      const names = Object.keys(fields).filter((name) => name !== field)
      return JSON.stringify({ ...fields, [field]: fields[names[at % names.length] ?? ""] })
    }
  }
}
