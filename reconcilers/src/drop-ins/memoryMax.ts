import { queueMebibytes } from "@patela/domain/torrc/ManagedLines"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { Result } from "effect"

const MIB = 1024 * 1024

/** tor raises any lower MaxMemInQueues to this (tor manual). */
const LEAST_QUEUE_MIB = 256

export interface MemoryOf {
  /** The node's memory in bytes. */
  readonly memoryBytes: number
  /** How many relays the node runs, this one included. */
  readonly relayCount: number
  /** The relay's resolved layers. */
  readonly torrc: string
}

/**
 * The most memory that a relay may take, in bytes, or undefined for no limit: then the kernel ends that relay and not
 * something else of the node. It is a last line: tor itself keeps its queues to MaxMemInQueues, by dropping circuits.
 *
 * What those queues leave out is the process (50 MiB, with GeoIP files 85), OpenSSL's buffers and the directory. So it is
 * half as much again as the queues and 256 MiB more, and no less than the relay's share of seven eighths of the node:
 * the limits of all relays may come to more than there is, as not all reach them at once. 1 GiB a relay: queues 512 MiB,
 * limit 1 GiB. 16 GiB a relay: queues 8 GiB, limit 14 GiB.
 *
 * A layer that gives MaxMemInQueues as 0, where tor chooses, or in words that are not understood, leaves no limit.
 */
export const memoryMax = ({ memoryBytes, relayCount, torrc }: MemoryOf): number | undefined => {
  const chosen = chosenQueue(torrc)
  const queue = chosen === undefined ? queueMebibytes(memoryBytes, relayCount) * MIB : bytesOf(chosen)
  if (queue === undefined || queue === 0) return undefined
  const share = memoryBytes / Math.max(1, relayCount) * 7 / 8
  const room = Math.max(queue, LEAST_QUEUE_MIB * MIB) * 1.5 + 256 * MIB
  const most = Math.ceil(Math.max(share, room) / MIB) * MIB
  return Number.isSafeInteger(most) ? most : undefined
}

/** The value of the last MaxMemInQueues of the layers, which stands in the torrc instead of the computed one. */
const chosenQueue = (torrc: string): string | undefined =>
  Result.match(parseTorrc(torrc), {
    onFailure: () => undefined,
    onSuccess: ({ lines }) =>
      lines.findLast(({ mode, option }) => option === "MaxMemInQueues" && mode !== "clear")?.value
  })

const SCALES: Readonly<Record<string, number>> = { "": 0, k: 10, m: 20, g: 30, t: 40 }

/** A size in tor's units (tor source, `memory_units`): `512 MB`, `2 GBytes`, `4096`, `800 Mbits`. */
const bytesOf = (value: string): number | undefined => {
  const [, digits, scale, unit] = /^(\d+(?:\.\d+)?) *([kmgt]?)(?:ilo|ega|iga|era)?(b|bytes?|bits?)?$/i.exec(value) ?? []
  const power = SCALES[scale?.toLowerCase() ?? ""]
  if (digits === undefined || power === undefined) return undefined
  const bits = unit?.toLowerCase().startsWith("bit") === true
  return Number(digits) * 2 ** power / (bits ? 8 : 1)
}
