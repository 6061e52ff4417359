import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { checkLayerText } from "../../src/torrc/checkLayer.ts"
import { mergeTorrcs } from "../../src/torrc/merge.ts"
import { OPTION_TABLE } from "../../src/torrc/OptionTable.ts"
import { parseTorrc } from "../../src/torrc/parse.ts"
import { renderTorrc } from "../../src/torrc/render.ts"
import { handWritten } from "./handWritten.ts"

const ROUNDS = 10_000

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const NAMES = OPTION_TABLE.map(({ name }) => name)

const seeds = [
  ...(["same", "wrong", "stricter"] as const).flatMap((verdict) => handWritten(verdict).map(({ torrc }) => torrc)),
  "ContactInfo \"ops AT example\"\nExitPolicy accept *:443\n+ExitPolicy reject *:*\nLog notice syslog\nSafeLogging relay\n",
  "ControlPort 9051\nUser root\nLog notice file /etc/passwd\nServerTransportPlugin x exec /bin/sh\n"
]

const PIECES = [
  "\n",
  "\r",
  "\r\n",
  "\\",
  "\\\n",
  "\"",
  "#",
  "+",
  "/",
  " ",
  "\t",
  "\0",
  "\u001b[2J",
  "\u0085",
  "\u2028",
  "\ufeff",
  "\ud800",
  "é",
  "🧀",
  "%include /etc/passwd\n",
  "\\x",
  "\\0",
  "\\377",
  "'; DROP TABLE nodes; --",
  "%s%n",
  "9".repeat(400),
  "ExitPolicy ".repeat(50)
]

const mutated = (random: () => number): string => {
  const pick = <A>(values: ReadonlyArray<A>, otherwise: A): A =>
    values[Math.floor(random() * values.length)] ?? otherwise
  let text = pick(seeds, "")
  for (let edits = Math.floor(random() * 6); edits >= 0; edits--) {
    const [from, to] = [random(), random()].map((at) => Math.floor(at * (text.length + 1))).sort((a, b) => a - b)
    const [head, middle, tail] = [text.slice(0, from), text.slice(from, to), text.slice(to)]
    const changed = [
      () => head + tail,
      () => head + middle + middle + tail,
      () => head + pick(PIECES, "") + middle + tail,
      () => head + String.fromCharCode(Math.floor(random() * 0x1_0000)) + middle.slice(1) + tail,
      () => head + pick(NAMES, "") + middle + tail,
      () => head + pick(seeds, "") + tail,
      () => head
    ]
    text = pick(changed, () => text)()
  }
  return text.slice(0, 4000)
}

describe("mutated torrcs", () => {
  it(`of ${ROUNDS}, each is taken, or refused by line and column; never does one throw`, () => {
    const random = randomFrom(0x70_6174)
    const outcomes = { unreadable: 0, refused: 0, accepted: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const text = mutated(random)
      const checked = checkLayerText(text, { testNetwork: random() < 0.2 })
      const lines = text.split("\n")
      const stands = ({ line, column }: { readonly line: number; readonly column: number }) => {
        const length = lines[line - 1]?.length ?? -1
        if (column < 1 || column > length + 1) assert.fail(`line ${line}, column ${column} of ${JSON.stringify(text)}`)
      }
      if (Result.isFailure(checked)) {
        outcomes.unreadable++
        checked.failure.problems.forEach(stands)
        assert.deepInclude(checked.failure.problems[0], { line: checked.failure.line, column: checked.failure.column })
        continue
      }
      const { accepted, refusals, warnings } = checked.success
      for (const place of [...accepted, ...refusals, ...warnings]) stands(place)
      if (refusals.length > 0) outcomes.refused++
      else outcomes.accepted++
      // What was accepted says the same once it is written out.
      const merged = mergeTorrcs([accepted])
      const written = renderTorrc(merged)
      assert.strictEqual(renderTorrc(Result.getOrThrow(parseTorrc(written)).lines), written)
    }
    // The mutations reach every outcome, and not by chance alone.
    for (const count of Object.values(outcomes)) assert.isAbove(count, ROUNDS / 50, JSON.stringify(outcomes))
  })
})
