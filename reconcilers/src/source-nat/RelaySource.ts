import { type Ipv4 } from "@patela/domain/net/Ipv4"
import { type Ipv6 } from "@patela/domain/net/Ipv6"
import { MARK_BASE, markOf, Slot, SLOTS, UID_BASE, uidOf, UNSENT_MARK } from "@patela/domain/relay/Slot"
import { Schema } from "effect"

/** The sources that the packets of the relay in a slot leave with. */
export interface RelaySource {
  readonly slot: Slot
  readonly v4: Ipv4
  readonly v6: Ipv6 | null
}

/** The maps and sets of the table that have elements per relay, with the JSON names of nft. */
export const SETS = {
  /** Who sent a packet gives it its mark. */
  uid_mark: { object: "map", type: "uid", map: "mark" },
  /** The mark gives a packet its source. */
  mark_v4: { object: "map", type: "mark", map: "ipv4_addr" },
  mark_v6: { object: "map", type: "mark", map: "ipv6_addr" },
  /** A packet that nobody sent but that has a source of relays, as a reset, gets the mark that leads where theirs go. */
  source_v4: { object: "map", type: "ipv4_addr", map: "mark" },
  source_v6: { object: "map", type: "ipv6_addr", map: "mark" },
  /** Which sources a mark may leave with. */
  own_v4: { object: "set", type: ["mark", "ipv4_addr"] },
  own_v6: { object: "set", type: ["mark", "ipv6_addr"] }
} as const
export type SetName = keyof typeof SETS

export const isSetName = (name: string): name is SetName => Object.hasOwn(SETS, name)

/** Every set's name, in the order of `SETS`. */
export const SET_NAMES: ReadonlyArray<SetName> = Object.keys(SETS).filter(isSetName)

/** One element of a set, as the JSON that nft reads and writes. */
export interface Element {
  readonly set: SetName
  readonly json: Schema.Json
}

export const elementsOf = ({ slot, v4, v6 }: RelaySource): ReadonlyArray<Element> => {
  const mark = markOf(slot)
  const elements: ReadonlyArray<Element> = [
    { set: "uid_mark", json: [uidOf(slot), mark] },
    { set: "mark_v4", json: [mark, v4] },
    { set: "source_v4", json: [v4, UNSENT_MARK] },
    { set: "own_v4", json: { concat: [mark, v4] } }
  ]
  if (v6 === null) return elements
  return [
    ...elements,
    { set: "mark_v6", json: [mark, v6] },
    { set: "source_v6", json: [v6, UNSENT_MARK] },
    { set: "own_v6", json: { concat: [mark, v6] } }
  ]
}

const NumberPair = Schema.Tuple([Schema.Number, Schema.Number])
const MarkToAddress = Schema.Tuple([Schema.Number, Schema.String])
const AddressToMark = Schema.Tuple([Schema.String, Schema.Number])
const Concatenation = Schema.Struct({ concat: MarkToAddress })

/** An element that is of an address, and so of every relay that has it, or undefined. */
export const sourceOf = ({ json, set }: Element): string | undefined =>
  (set === "source_v4" || set === "source_v6") && Schema.is(AddressToMark)(json) && json[1] === UNSENT_MARK
    ? json[0]
    : undefined

/** A slot and an address that an element says to be that slot's, or undefined. */
export const placeOf = (element: Element): { readonly slot: Slot; readonly address: string } | undefined => {
  const { json } = element
  const slot = slotOf(element)
  const address = Schema.is(MarkToAddress)(json) ? json[1] : Schema.is(Concatenation)(json) ? json.concat[1] : undefined
  return slot === undefined || address === undefined ? undefined : { slot, address }
}

/** What no two elements of a set have alike: the kernel refuses a key with another value than it has. */
export const keyOf = ({ json, set }: Element): string =>
  `${set} ${JSON.stringify(Array.isArray(json) ? json[0] : json)}`

/** The slot that an element is for, by its UID or its mark, or undefined where it is of an address, or nothing of Patela's. */
export const slotOf = ({ json, set }: Element): Slot | undefined => {
  switch (set) {
    case "uid_mark":
      return Schema.is(NumberPair)(json) ? slotAt(json[0] - UID_BASE) : undefined
    case "mark_v4":
    case "mark_v6":
      return Schema.is(MarkToAddress)(json) ? slotAt(json[0] - MARK_BASE - 1) : undefined
    case "source_v4":
    case "source_v6":
      return Schema.is(AddressToMark)(json) ? slotAt(json[1] - MARK_BASE - 1) : undefined
    case "own_v4":
    case "own_v6":
      return Schema.is(Concatenation)(json) && Object.keys(json).length === 1
        ? slotAt(json.concat[0] - MARK_BASE - 1)
        : undefined
  }
}

const slotAt = (number: number): Slot | undefined =>
  Number.isInteger(number) && number >= 0 && number < SLOTS ? Slot.make(number) : undefined
