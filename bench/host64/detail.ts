import { Duration } from "effect"
import { median, percentile } from "../Row.ts"
import type { DriftFigures } from "./DriftFigures.ts"
import { TRACED_WINDOW } from "./idle.ts"
import type { Idle } from "./idle.ts"
import type { PassFigures } from "./PassFigures.ts"

/** What stands behind a row, as text for a person: where the time of a pass goes, each kind of drift, what an idle agent does. */

const ms = (value: number): string => value.toFixed(1).padStart(8)

const inTurn = (values: ReadonlyArray<number>): string =>
  `median ${ms(median(values))}, p90 ${ms(percentile(values, 90))}, least ${ms(Math.min(...values))} ms`

/** How often each value is there, the most frequent first. */
const counted = (values: ReadonlyArray<string>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].toSorted(([, one], [, other]) => other - one).map(([value, count]) => `${count} x ${value}`)
}

export const passDetail = ({ alone, backToBack, cpuMs, spaced, spawns }: PassFigures): string =>
  [
    `  a pass, half a second apart: ${inTurn(spaced)}`,
    `  a pass, one after the other: ${inTurn(backToBack)}`,
    `  processor time of a pass: the agent ${ms(cpuMs.agent)}, programs that it starts ${ms(cpuMs.programs)} ms`,
    `  it starts ${spawns.length} programs: ${spawns.join("; ")}`,
    "  each kind by itself, and the programs that it starts:",
    ...alone.map((each) => `    ${each.kind.padEnd(20)} ${ms(each.ms)} ms  ${each.spawns}`)
  ].join("\n")

export const driftDetail = ({ kinds, leftOut, limitMs }: DriftFigures): string =>
  [
    "  drift, to its repair:             p50      p99      most ms  trials",
    ...kinds.map(({ drift, givenUp, missed, ms: taken }) => {
      const lost = missed === 0 ? "" : `, ${missed} not within ${limitMs / 1000} s${givenUp ? ", given up" : ""}`
      const figures = taken.length === 0
        ? "       -        -        -"
        : [percentile(taken, 50), percentile(taken, 99), Math.max(...taken)].map(ms).join(" ")
      return `    ${drift.padEnd(24)} ${figures}     ${taken.length + missed}${lost}`
    }),
    ...leftOut.map((drift) => `    ${drift.padEnd(24)} not managed by this agent`)
  ].join("\n")

export const idleDetail = ({ seen, traced }: Idle): string =>
  [
    `  idle for ${seen.seconds.toFixed(0)} s: ${
      seen.cpuSeconds.toFixed(2)
    } s of processor time, ${seen.journalLines} ` +
    `lines in the journal, ${seen.kernelEvents} events of the kernel's tables`,
    `  resident: the agent ${seen.agentMib.toFixed(1)} MiB, what it keeps running beside it ` +
    `${seen.monitorsMib.toFixed(1)} MiB`,
    `  host and kernel differ by ${seen.differences.length} lines`,
    ...seen.differences.slice(0, 20).map((line) => `    ${line}`),
    `  traced for ${Duration.toSeconds(TRACED_WINDOW)} s: ${traced.written.length} calls that write files`,
    ...counted(traced.written).slice(0, 20).map((line) => `    ${line}`),
    "  programs started in that time:",
    ...counted(traced.started).map((line) => `    ${line}`)
  ].join("\n")
