import { ObservationFailed } from "@patela/domain/reconciler/Kind"
import { Effect, Predicate, Schema } from "effect"
import { type Element, isSetName, SETS } from "./RelaySource.ts"

/**
 * The table `inet patela` with everything that differs without meaning taken out: handles, counters and the order of
 * keys. `skeleton` has one text per chain, rule and set, `elements` what stands in the sets that Patela knows.
 */
export interface ObservedTable {
  readonly skeleton: ReadonlySet<string>
  readonly elements: ReadonlyArray<Element>
}

/** No such table. */
export const ABSENT: ObservedTable = { skeleton: new Set(), elements: [] }

/** A table that the kernel passes by (nft(8), `flags dormant`): whatever is in it is to be made anew. */
export const DORMANT: ObservedTable = { skeleton: new Set(["table dormant"]), elements: [] }

const Body = Schema.Record(Schema.String, Schema.Json)
type Body = typeof Body.Type

/** `nft -j list table` (libnftables-json(5)): objects of one key each, which says what they are. */
const Listing = Schema.fromJsonString(Schema.Struct({ nftables: Schema.Array(Body) }))

const Named = Schema.Struct({ name: Schema.NonEmptyString, elem: Schema.optionalKey(Schema.Array(Schema.Json)) })
const InChain = Schema.Struct({ chain: Schema.NonEmptyString, expr: Schema.Array(Schema.Json) })

/** The table that `nft -j list table` wrote. An object that Patela never makes is part of the skeleton. Pure. */
export const readTable = Effect.fn("readTable")(function*(json: string) {
  const { nftables } = yield* Schema.decodeUnknownEffect(Listing)(json).pipe(Effect.mapError(unexpected))
  return yield* tableOf(nftables)
})

const tableOf = Effect.fnUntraced(function*(objects: ReadonlyArray<Body>) {
  const skeleton = new Set<string>()
  const elements: Array<Element> = []
  const texts = objectTexts()
  for (const object of objects) {
    for (const [kind, value] of Object.entries(object)) {
      if (kind === "metainfo") continue
      const { handle: _, ...body } = yield* decode(Body, value)
      if (kind === "rule") {
        yield* decode(InChain, body)
        skeleton.add(texts(kind, body))
        continue
      }
      const { elem = [], name } = yield* decode(Named, body)
      if (isSetName(name) && kind === SETS[name].object) {
        for (const entry of elem) elements.push({ set: name, json: entry })
        const { elem: _, ...rest } = body
        skeleton.add(texts(kind, rest))
      } else skeleton.add(texts(kind, body))
    }
  }
  return { skeleton, elements } satisfies ObservedTable
})

/** The texts of the objects that Patela makes, to compare with those of a table that was read. */
export const skeletonTexts = (
  objects: ReadonlyArray<{ readonly [kind: string]: Schema.Json }>
): ReadonlySet<string> => {
  const texts = objectTexts()
  return new Set(
    objects.flatMap((object) =>
      Object.entries(object).map(([kind, body]) => texts(kind, Schema.is(Body)(body) ? body : { body }))
    )
  )
}

/** One text an object, and for a rule its place among the rules of its chain, for there the order has a meaning. */
const objectTexts = () => {
  const rules = new Map<string, number>()
  return (kind: string, body: Body): string => {
    if (kind !== "rule") return `${kind} ${canonical(body["name"] ?? null)} ${canonical(body)}`
    const chain = canonical(body["chain"] ?? null)
    const index = rules.get(chain) ?? 0
    rules.set(chain, index + 1)
    return `rule ${chain} ${index} ${canonical(body)}`
  }
}

/** One text for one meaning: keys in order, counters without what they have counted. */
export const canonical = (json: Schema.Json): string =>
  isFlat(json) ? JSON.stringify(json) : JSON.stringify(json, (key, value: unknown) => {
    if (key === "counter") return null
    return Predicate.isObject(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => one < other ? -1 : 1))
      : value
  })

/** Most elements are pairs of plain values: nothing in them has an order to be made one, and there are hundreds. */
const isFlat = (json: Schema.Json): boolean => Array.isArray(json) && json.every((value) => typeof value !== "object")

const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, value: unknown) =>
  Schema.decodeUnknownEffect(schema)(value).pipe(Effect.mapError(unexpected))

const unexpected = (error: Schema.SchemaError) =>
  new ObservationFailed({
    kind: "source-nat",
    message: `nft -j list table inet patela wrote something unexpected: ${error.message}`
  })
